"""Findings of the checks of maps and scenarios."""

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """Subject of a finding."""

    TIME = "time"
    EGO = "ego"
    AGENTS = "agents"
    MAP_IDS = "map ids"
    LANE_GRAPH = "lane graph"
    LANE_GAP = "lane gap"
    ROUTE = "route"
    OFF_ROUTE = "off route"
    SINGLE_ROADBLOCK = "single roadblock"
    LIGHTS = "lights"
    OVERLAP = "overlap"
    COLLISION = "collision"
    OFF_ROAD = "off road"
    SCENARIO_TYPE = "scenario type"


MEASURED_KINDS = frozenset(
    {
        FindingKind.LANE_GAP,
        FindingKind.OVERLAP,
        FindingKind.COLLISION,
        FindingKind.OFF_ROAD,
        FindingKind.SINGLE_ROADBLOCK,
    }
)
"""Kinds that are errors in a generated scenario but not in a recorded one."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A property of a scenario or map that is wrong or unusual."""

    kind: FindingKind
    message: str
    """A sentence."""
    is_error: bool = True
