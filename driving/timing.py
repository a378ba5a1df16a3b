"""The time step of nuPlan's simulation."""

STEP_US = 100_000
"""Time between two frames of a scenario [us]."""
STEP_S = STEP_US / 1e6
"""Time between two frames of a scenario [s]."""
