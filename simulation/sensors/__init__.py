"""What the planner observes at each step of a rollout."""
