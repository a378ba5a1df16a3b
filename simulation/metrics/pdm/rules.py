"""The published definitions of the PDM score."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PdmRules:
    """One published definition of the score. Numbers of different versions do not compare."""

    version: str
    radius_m: float
    """Half side of the square around the ego in which the map is known."""
    lanes_are_road: bool
    """Whether lanes and connectors are the drivable area, or roadblocks and intersections; car parks always."""
    oncoming_window: int
    """Steps over which driving against traffic is added up; 0 adds up each stretch."""
    spares_intersections: bool
    """Whether driving against traffic does not count in intersections."""
    multiplies_direction: bool
    multiplies_lights: bool
    min_best_progress_m: float
    """Where nobody gets farther, progress is not compared."""
    compares_allowed_progress: bool
    """Whether a motion's own progress counts only as far as the multiplied scores allow it."""
    looks_beyond: bool
    """Whether the time to collision is also asked for poses whose look-ahead leaves the motion."""
    plan_s: float
    """How far PDM-Closed looks for leading objects when it chooses by these rules."""
    weights: tuple[float, float, float, float] = (5.0, 5.0, 2.0, 0.0)
    """Of progress, time to collision, comfort, lane keeping."""


TUPLAN_RULES = PdmRules(
    version="tuplan_garage b51d5d0",
    radius_m=50.0,
    lanes_are_road=True,
    oncoming_window=0,
    spares_intersections=False,
    multiplies_direction=True,
    multiplies_lights=False,
    min_best_progress_m=0.1,
    compares_allowed_progress=True,
    looks_beyond=True,
    plan_s=8.0,
)
"""How PDM-Closed chooses its proposal in nuPlan's challenge."""

PDMS_RULES = PdmRules(
    version="navsim v1.1",
    radius_m=100.0,
    lanes_are_road=False,
    oncoming_window=10,
    spares_intersections=False,
    multiplies_direction=False,
    multiplies_lights=False,
    min_best_progress_m=5.0,
    compares_allowed_progress=True,
    looks_beyond=True,
    plan_s=5.0,
)
"""NAVSIM v1: driving direction is measured, but has the weight 0."""

EPDMS_RULES = PdmRules(
    version="navsim v2 0a380a9",
    radius_m=100.0,
    lanes_are_road=False,
    oncoming_window=10,
    spares_intersections=True,
    multiplies_direction=True,
    multiplies_lights=True,
    min_best_progress_m=5.0,
    compares_allowed_progress=False,
    looks_beyond=False,
    plan_s=5.0,
    weights=(5.0, 5.0, 2.0, 2.0),
)
"""NAVSIM v2, without the two-frame comfort, which needs a second plan."""
