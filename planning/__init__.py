"""What we will do: planners that return trajectories."""
