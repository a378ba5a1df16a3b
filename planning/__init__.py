"""Planners: observation to trajectory."""
