"""The student: a network that scores a vocabulary of trajectories, as a planner."""
