"""Adversarial search: changes of one agent by which a planner fails although another driver would not."""
