"""The published definitions of the PDM score."""

from dataclasses import dataclass, replace
from typing import NamedTuple


class PdmWeights(NamedTuple):
    """Weights of the sub-scores that are not multiplied."""

    progress: float = 5.0
    time_to_collision: float = 5.0
    comfort: float = 2.0
    lane_keeping: float = 0.0


DEFAULT_WEIGHTS = PdmWeights()


@dataclass(frozen=True, kw_only=True)
class PdmRules:
    """One published definition of the score. Numbers of different versions do not compare."""

    version: str
    radius_m: float
    """Half side of the square around the ego within which polygons count."""
    lanes_are_road: bool
    """Whether lanes and connectors are drivable, or roadblocks and intersections. Car parks always are."""
    oncoming_window: int
    """Steps over which the distance against the traffic is summed; 0 sums each run of such poses."""
    spares_intersections: bool
    """Whether driving against the traffic does not count in intersections."""
    multiplies_direction: bool
    multiplies_lights: bool
    min_best_progress_m: float
    """If the best progress is at most this, progress is not compared."""
    compares_allowed_progress: bool
    """Whether the progress of a motion is multiplied by its multiplied scores before the comparison."""
    looks_beyond: bool
    """Whether the time to collision includes the last 0.9 s, which need agents beyond the motion."""
    plan_s: float
    """Horizon within which PDM-Closed finds leading objects under these rules."""
    weights: PdmWeights = DEFAULT_WEIGHTS


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
"""PDM-Closed's choice of its proposal in the nuPlan challenge."""

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
"""NAVSIM v1: the driving direction is measured, but has the weight 0."""

EPDMS_RULES = replace(
    PDMS_RULES,
    version="navsim v2 0a380a9",
    spares_intersections=True,
    multiplies_direction=True,
    multiplies_lights=True,
    compares_allowed_progress=False,
    looks_beyond=False,
    weights=PdmWeights(lane_keeping=2.0),
)
"""NAVSIM v2, without the two-frame comfort, which needs a second plan."""
