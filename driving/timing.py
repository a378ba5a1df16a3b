"""Time steps of nuPlan's simulation and of forecasts."""

STEP_US = 100_000
"""Time between two frames of a scenario [us]."""
STEP_S = STEP_US / 1e6
"""Time between two frames of a scenario [s]."""
INSTANT_S = 0.5
"""Time between two instants of an agent forecast [s]."""
