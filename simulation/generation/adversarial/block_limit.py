"""How early an agent blocks the ego so that a planner that waits behind it lacks progress."""

from simulation.metrics.nuplan.progress import MIN_RATIO

BLOCK_SHARE = 0.8 * MIN_RATIO
"""Share of the unchanged drive up to which a block leaves a planner too little progress: ways out drive less far."""
