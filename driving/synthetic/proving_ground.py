"""The map of the hand-made scenes: six sites, one kilometre apart, on one map.

Coordinates in the docstrings of the scenes are in the frame of their site. Traffic keeps to the right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float64

from driving.map import IntersectionKind, MapGraph, StopLineKind
from driving.synthetic.curves import arc, straight
from driving.synthetic.roads import LAS_VEGAS_ORIGIN, Road, RoadBuilder

SITE_SPACING_M = 1000.0
LANE_WIDTH_M = 3.5
RING_RADIUS_M = 18.0
"""Radius of the roundabout's centerline."""
RING_WIDTH_M = 5.0
RING_LANE_RAD = np.radians(40.0)
"""Angle of a ring lane between two arms. The other 50 degrees are connectors at an arm."""

ARMS = ("east", "north", "west", "south")


@dataclass(frozen=True, kw_only=True)
class Site:
    """One site of the proving ground."""

    builder: RoadBuilder
    chains: Mapping[str, tuple[int, ...]]
    """Connected sequences of lanes and connectors by name."""

    def line(self, chain: str) -> Float64[np.ndarray, "points 2"]:
        """Centerline of a chain, in the site frame."""
        return self.builder.path(self.chains[chain])

    def roadblocks(self, chain: str) -> tuple[int, ...]:
        """Roadblocks and roadblock connectors of a chain."""
        drafts = {**self.builder.lanes, **self.builder.connectors}
        return tuple(dict.fromkeys(drafts[lane_id].roadblock_id for lane_id in self.chains[chain]))

    def connectors(self, *chains: str) -> list[int]:
        """The lane connectors of chains."""
        return [lane_id for chain in chains for lane_id in self.chains[chain] if lane_id in self.builder.connectors]


@dataclass(frozen=True, kw_only=True)
class ProvingGround:
    """The map and its sites by name."""

    map: MapGraph
    sites: Mapping[str, Site]


@cache
def proving_ground() -> ProvingGround:
    """All sites, built once per process."""
    makers = {
        "road": _road,
        "avenue": _avenue,
        "crossing": _crossing,
        "crossroads": _crossroads,
        "t_junction": _t_junction,
        "roundabout": _roundabout,
    }
    sites = {}
    for place, (name, make) in enumerate(makers.items()):
        x, y = LAS_VEGAS_ORIGIN
        sites[name] = make(
            RoadBuilder(origin=(x + place * SITE_SPACING_M, y), first_id=10_001 + place * 1000),
        )
    first, *others = [site.builder for site in sites.values()]
    return ProvingGround(map=first.build(others), sites=sites)


def _road(builder: RoadBuilder) -> Site:
    """One lane each way from x = -120 to 440, 50 km/h, and shoulders of 2.5 m; eastbound is y = -1.75."""
    return _straight_site(builder, lanes=1, shoulder_m=2.5)


def _avenue(builder: RoadBuilder) -> Site:
    """Two lanes each way from x = -120 to 440, 50 km/h; eastbound are y = -1.75 (left) and -5.25 (right)."""
    return _straight_site(builder, lanes=2, shoulder_m=0.0)


def _crossing(builder: RoadBuilder) -> Site:
    """One lane each way from x = -120 to 440, with footpaths and a crosswalk from x = 60 to 64."""
    builder.add_crosswalk((62.0, -4.0), (62.0, 4.0), width_m=4.0)
    for side in (-1, 1):
        builder.add_walkway(np.array([[-120.0, side * 6.0], [440.0, side * 6.0]]), width_m=4.0)
    return _straight_site(builder, lanes=1, shoulder_m=0.0)


def _straight_site(builder: RoadBuilder, lanes: int, shoulder_m: float) -> Site:
    pieces = ((-120.0, 60.0), (70.0, 200.0), (210.0, 440.0))
    roads = [
        builder.add_road(
            straight((begin, 0.0), (end, 0.0)),
            lanes_forward=lanes,
            lanes_backward=lanes,
            lane_width_m=LANE_WIDTH_M,
            shoulder_forward_m=shoulder_m,
            shoulder_backward_m=shoulder_m,
        )
        for begin, end in pieces
    ]
    half_m = lanes * LANE_WIDTH_M + shoulder_m
    joints = [
        builder.add_intersection(IntersectionKind.PASS_THROUGH, shapely.box(before[1], -half_m, behind[0], half_m))
        for before, behind in pairwise(pieces)
    ]
    chains: dict[str, tuple[int, ...]] = {}
    for index in range(lanes):
        east = [road.forward_lanes[index] for road in roads]
        west = [road.backward_lanes[index] for road in roads[::-1]]
        chains[f"east_{index}"] = _chained(builder, east, joints)
        chains[f"west_{index}"] = _chained(builder, west, joints[::-1])
    return Site(builder=builder, chains=chains)


def _chained(builder: RoadBuilder, lanes: list[int], joints: list[int]) -> tuple[int, ...]:
    chain = lanes[:1]
    for (before, after), joint in zip(pairwise(lanes), joints, strict=True):
        chain += [builder.add_connector(before, after, joint), after]
    return tuple(chain)


def _crossroads(builder: RoadBuilder) -> Site:
    """Four arms of one lane each way, 15 m to 220 m from the centre, with traffic lights and crosswalks."""
    arms = _arms(builder, ARMS, inner_m=15.0, outer_m=220.0)
    for angle in range(4):
        x, y = np.round([np.cos(angle * np.pi / 2), np.sin(angle * np.pi / 2)]) * 12.0
        across = np.array([-y, x]) / 12.0 * 4.0
        builder.add_crosswalk((x - across[0], y - across[1]), (x + across[0], y + across[1]), width_m=3.0)
    return _junction(builder, arms, IntersectionKind.TRAFFIC_LIGHT, has_lights=True)


def _t_junction(builder: RoadBuilder) -> Site:
    """Arms to the east, west and south, 12 m to 220 m from the centre; the southern arm has a stop sign."""
    arms = _arms(builder, ("east", "west", "south"), inner_m=12.0, outer_m=220.0)
    site = _junction(builder, arms, IntersectionKind.STOP_SIGN, has_lights=False)
    builder.add_stop_line(arms["south"].backward_lanes, StopLineKind.STOP_SIGN)
    return site


def _roundabout(builder: RoadBuilder) -> Site:
    """A counter-clockwise ring of radius 18 m with four arms, 32 m to 200 m from the centre."""
    arms = _arms(builder, ARMS, inner_m=32.0, outer_m=200.0, lane_width_m=4.0, speed_limit_mps=8.33)
    gap_rad = (np.pi / 2 - RING_LANE_RAD) / 2
    rings, exits, entries, passes = [], [], [], []
    for quarter in range(4):
        begin = quarter * np.pi / 2 + gap_rad
        edge = arc((0.0, 0.0), RING_RADIUS_M - RING_WIDTH_M / 2, begin, RING_LANE_RAD)
        road = builder.add_road(edge, lane_width_m=RING_WIDTH_M, speed_limit_mps=8.33, spacing_m=1.0)
        rings.append(road.forward_lanes[0])
    for quarter, name in enumerate(ARMS):
        joint = builder.add_intersection(IntersectionKind.DEFAULT)
        before, after, arm = rings[quarter - 1], rings[quarter], arms[name]
        around = arc((0.0, 0.0), RING_RADIUS_M, quarter * np.pi / 2 - gap_rad, 2 * gap_rad)
        passes.append(builder.add_connector(before, after, joint, path=around))
        exits.append(builder.add_connector(before, arm.forward_lanes[0], joint))
        entries.append(builder.add_connector(arm.backward_lanes[0], after, joint))
        builder.add_stop_line(arm.backward_lanes, StopLineKind.YIELD)
    chains = {}
    for start, start_name in enumerate(ARMS):
        for quarters in range(1, 5):
            end = (start + quarters) % 4
            ring = [rings[start]]
            for step in range(1, quarters):
                ring += [passes[(start + step) % 4], rings[(start + step) % 4]]
            inner = (arms[start_name].backward_lanes[0], entries[start], *ring, exits[end])
            chains[f"{start_name}_to_{ARMS[end]}"] = (*inner, arms[ARMS[end]].forward_lanes[0])
    return Site(builder=builder, chains=chains)


def _arms(
    builder: RoadBuilder,
    names: tuple[str, ...],
    *,
    inner_m: float,
    outer_m: float,
    lane_width_m: float = LANE_WIDTH_M,
    speed_limit_mps: float = 13.89,
) -> dict[str, Road]:
    """Roads from the centre outwards; forward lanes lead away from the centre."""
    arms = {}
    for name in names:
        angle = ARMS.index(name) * np.pi / 2
        x, y = np.round([np.cos(angle), np.sin(angle)])
        arms[name] = builder.add_road(
            straight((x * inner_m, y * inner_m), (x * outer_m, y * outer_m)),
            lanes_backward=1,
            lane_width_m=lane_width_m,
            speed_limit_mps=speed_limit_mps,
        )
    return arms


def _junction(builder: RoadBuilder, arms: dict[str, Road], kind: IntersectionKind, has_lights: bool) -> Site:
    """Connect each arm with all other arms."""
    joint = builder.add_intersection(kind)
    chains = {}
    for start_name, start in arms.items():
        before = start.backward_lanes[0]
        line = builder.add_stop_line((before,), StopLineKind.TRAFFIC_LIGHT) if has_lights else None
        for end_name, end in arms.items():
            if end_name != start_name:
                after = end.forward_lanes[0]
                connector = builder.add_connector(before, after, joint, traffic_light_stop_line=line)
                chains[f"{start_name}_to_{end_name}"] = (before, connector, after)
    return Site(builder=builder, chains=chains)
