"""The map of a town, and the facts about it that traffic needs beyond the map."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.map import MapGraph, TurnKind
from simulation.generation.town.layout import TownPlan

CROSSWALK_FROM_M, CROSSWALK_TO_M = 1.2, 4.2
"""Extent of a crosswalk, measured from the end of the lanes into the junction."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """Geographic position of the towns of a map name."""

    version: str
    epsg: int
    origin: tuple[float, float]
    """South-west corner of the site, projected [m]."""
    area: str
    """nuPlan's short name of the city, in the `location` column of a log."""


LOCATIONS = {
    "us-nv-las-vegas-strip": Location(
        version="9.15.1915", epsg=32611, origin=(664_400.0, 3_997_600.0), area="las_vegas"
    ),
    "us-pa-pittsburgh-hazelwood": Location(
        version="9.17.1937", epsg=32617, origin=(587_200.0, 4_474_400.0), area="pittsburgh"
    ),
    "us-ma-boston": Location(version="9.12.1817", epsg=32619, origin=(331_000.0, 4_690_200.0), area="boston"),
}
"""Places with right-hand traffic. Singapore is missing: `RoadBuilder` has no left-hand traffic."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A lane connector and its rank in traffic rules."""

    lane_id: int
    junction: int
    from_arm: int
    to_arm: int
    turn: TurnKind
    rank: int
    """Of two crossing connectors, the one of higher rank has the right of way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FootPath:
    """An edge of the pedestrian network, walked in both directions. Site frame."""

    points: Float64[np.ndarray, "points 2"]
    start: int
    """Corner of the network."""
    end: int
    crosswalk_id: int | None = None
    """None for a walkway."""
    junction: int = -1
    """Junction of a crosswalk."""
    arm: int = -1
    """Arm of the junction that a crosswalk lies on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TownMap:
    """A map, its plan, and the pedestrian network."""

    map: MapGraph
    plan: TownPlan
    movements: tuple[Movement, ...]
    """In the row order of the map's lane connectors."""
    foot_paths: tuple[FootPath, ...]
    corners: Float64[np.ndarray, "corners 2"]
    """Nodes of the pedestrian network, site frame."""
    parking_poses: Float64[np.ndarray, "places 3"]
    """Box centres of parking places beside streets and in car parks, global."""
    origin: Float64[np.ndarray, "2"]
    """Offset from the site frame to the map frame."""
