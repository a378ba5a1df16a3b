"""Sensors: the observation of the planner at each step of a rollout."""
