"""Maps for corner cases: a street, an avenue, two junctions and a ramp, with parameters drawn by a number.

Each map has five sites, two kilometres apart. Lane widths, curvatures, shoulders, speed limits and angles of
junctions differ from number to number. Traffic keeps to the right.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import Polyline
from driving.map import IntersectionKind, MapGraph, StopLineKind
from driving.synthetic.curves import arc, parallel, straight
from driving.synthetic.roads import LAS_VEGAS_ORIGIN, Road, RoadBuilder

SITE_SPACING_M = 2000.0
JOINT_M = 8.0
"""Length of the connectors between two pieces of one road."""
MAP_VERSION = "1.0"


@lru_cache(maxsize=16)
def corner_map(number: int) -> MapGraph:
    """The map of a number, cached.

    Raises:
        ValueError: When the number is negative.
    """
    if number < 0:
        raise ValueError(f"Maps of corner cases are numbered from 0, got {number}.")
    rng = np.random.default_rng([number, 7001])
    makers = (_street, _avenue, _crossroads, _side_road, _ramp)
    sites = []
    for place, make in enumerate(makers):
        x, y = LAS_VEGAS_ORIGIN
        builder = RoadBuilder(
            name=f"corners-{number:04d}",
            version=MAP_VERSION,
            origin=(x + place * SITE_SPACING_M, y),
            first_id=10_001 + 1000 * place,
        )
        make(builder, rng)
        sites.append(builder)
    return sites[0].build(sites[1:])


@dataclass(frozen=True, kw_only=True)
class _Profile:
    """Cross-section of a road."""

    lanes_forward: int
    lanes_backward: int
    width_m: float
    limit_mps: float
    shoulder_m: float

    @property
    def half_m(self) -> tuple[float, float]:
        """Distance from the dividing line to the right and to the left edge."""
        left_m = self.lanes_backward * self.width_m + (self.shoulder_m if self.lanes_backward else 0.0)
        return self.lanes_forward * self.width_m + self.shoulder_m, left_m

    def add_road(self, builder: RoadBuilder, line: Float64[np.ndarray, "points 2"]) -> Road:
        """Add a road of this profile."""
        return builder.add_road(
            line,
            lanes_forward=self.lanes_forward,
            lanes_backward=self.lanes_backward,
            lane_width_m=self.width_m,
            speed_limit_mps=self.limit_mps,
            shoulder_forward_m=self.shoulder_m,
            shoulder_backward_m=self.shoulder_m,
        )


def _street(builder: RoadBuilder, rng: np.random.Generator) -> None:
    """One lane per direction, parking space on both sides, and walkways."""
    profile = _Profile(
        lanes_forward=1,
        lanes_backward=1,
        width_m=float(rng.uniform(3.4, 3.8)),
        limit_mps=float(rng.uniform(13.9, 15.0)),
        shoulder_m=float(rng.uniform(2.3, 2.6)),
    )
    line = _curved_line(rng, 900.0)
    _long_road(builder, line, profile, pieces=4)
    for side_m in (-1, 1):
        builder.add_walkway(parallel(line, side_m * (profile.half_m[0] + 1.8)), width_m=3.0)


def _avenue(builder: RoadBuilder, rng: np.random.Generator) -> None:
    """Two or three lanes forward, two backward, and a narrow shoulder."""
    profile = _Profile(
        lanes_forward=int(rng.integers(2, 4)),
        lanes_backward=2,
        width_m=float(rng.uniform(3.4, 3.7)),
        limit_mps=float(rng.uniform(16.0, 18.0)),
        shoulder_m=float(rng.uniform(0.4, 1.5)),
    )
    _long_road(builder, _curved_line(rng, 900.0), profile, pieces=4)


def _crossroads(builder: RoadBuilder, rng: np.random.Generator) -> None:
    """Four arms with two lanes per direction and traffic lights: left lanes also turn left, right lanes right."""
    width_m, limit_mps = float(rng.uniform(3.4, 3.6)), float(rng.uniform(14.5, 16.0))
    skew = float(rng.uniform(-0.22, 0.22))
    profile = _Profile(lanes_forward=2, lanes_backward=2, width_m=width_m, limit_mps=limit_mps, shoulder_m=1.0)
    _junction(builder, [0.0, np.pi / 2 + skew, np.pi, -np.pi / 2 + skew], profile, has_lights=True)


def _side_road(builder: RoadBuilder, rng: np.random.Generator) -> None:
    """Four arms with one lane per direction and no lights; the side roads yield."""
    width_m, limit_mps = float(rng.uniform(3.4, 3.7)), float(rng.uniform(14.0, 15.0))
    skew = float(rng.uniform(-0.25, 0.25))
    profile = _Profile(lanes_forward=1, lanes_backward=1, width_m=width_m, limit_mps=limit_mps, shoulder_m=1.0)
    _junction(builder, [0.0, np.pi / 2 + skew, np.pi, -np.pi / 2], profile, has_lights=False)


def _ramp(builder: RoadBuilder, rng: np.random.Generator) -> None:
    """Two lanes in one direction and a ramp from the right. The connectors of the merge are 60 m to 90 m long."""
    width_m, limit_mps = 3.6, float(rng.uniform(19.0, 22.0))
    merge_m = float(rng.uniform(60.0, 90.0))
    profile = _Profile(lanes_forward=2, lanes_backward=0, width_m=width_m, limit_mps=limit_mps, shoulder_m=1.5)
    far, near, after, end = [
        profile.add_road(builder, straight((begin, 0.0), (stop, 0.0)))
        for begin, stop in ((-560.0, -258.0), (-250.0, 0.0), (merge_m, 300.0), (308.0, 700.0))
    ]
    angle = float(rng.uniform(0.12, 0.2))
    back = np.array([-np.cos(angle), -np.sin(angle)])
    tip = np.array([0.0, -2 * width_m - 2.6])
    ramp_line = straight(tuple(tip + 320.0 * back), tuple(tip))
    ramp = _Profile(lanes_forward=1, lanes_backward=0, width_m=width_m, limit_mps=limit_mps - 3.0, shoulder_m=0.0)
    upper, lower = (ramp.add_road(builder, piece) for piece in (ramp_line[:80], ramp_line[84:]))
    _join(builder, upper, lower)
    for before, behind, kind in (
        (far, near, IntersectionKind.PASS_THROUGH),
        (near, after, IntersectionKind.LANE_MERGE),
        (after, end, IntersectionKind.PASS_THROUGH),
    ):
        joint = builder.add_intersection(kind)
        for lane, following in zip(before.forward_lanes, behind.forward_lanes, strict=True):
            builder.add_connector(lane, following, joint)
        if before is near:
            builder.add_connector(lower.forward_lanes[0], after.forward_lanes[-1], joint, speed_limit_mps=limit_mps)


def _curved_line(rng: np.random.Generator, length_m: float) -> Float64[np.ndarray, "points 2"]:
    """An arc with a random radius between 500 m and 2500 m, to the left or to the right."""
    radius_m = float(rng.uniform(500.0, 2500.0))
    turn = length_m / radius_m * float(rng.choice([-1.0, 1.0]))
    center = (0.0, float(np.copysign(radius_m, turn)))
    return arc(center, radius_m, float(-np.copysign(np.pi / 2, turn)), turn, spacing_m=2.0)


def _long_road(builder: RoadBuilder, line: Float64[np.ndarray, "points 2"], profile: _Profile, pieces: int) -> None:
    """A road in pieces with connectors between them."""
    whole = Polyline(line)
    ends = np.linspace(0.0, whole.length_m + JOINT_M, pieces + 1)
    right_m, left_m = profile.half_m
    roads = [profile.add_road(builder, _section(whole, begin, end - JOINT_M)) for begin, end in pairwise(ends)]
    for (before, behind), end in zip(pairwise(roads), ends[1:], strict=False):
        seam = _section(whole, end - JOINT_M - 0.5, end + 0.5)
        surface = shapely.Polygon(np.concatenate([parallel(seam, left_m), parallel(seam, -right_m)[::-1]]))
        _join(builder, before, behind, surface)


def _join(builder: RoadBuilder, before: Road, behind: Road, surface: shapely.Polygon | None = None) -> None:
    """Connect consecutive pieces of a road lane by lane, in both directions."""
    joint = builder.add_intersection(IntersectionKind.PASS_THROUGH, surface)
    for lane, following in zip(before.forward_lanes, behind.forward_lanes, strict=True):
        builder.add_connector(lane, following, joint)
    for lane, following in zip(behind.backward_lanes, before.backward_lanes, strict=True):
        builder.add_connector(lane, following, joint)


def _section(line: Polyline, begin_m: float, end_m: float) -> Float64[np.ndarray, "points 2"]:
    count = max(2, int(np.ceil((end_m - begin_m) / 2.0)) + 1)
    return line.at(np.linspace(begin_m, end_m, count))[:, :2]


def _junction(builder: RoadBuilder, headings: list[float], profile: _Profile, *, has_lights: bool) -> None:
    """Roads that meet in the origin, each in two pieces, with crosswalks and all movements except U-turns."""
    inner_m = 12.0 + 4.0 * profile.lanes_forward * profile.width_m / 3.5
    arms = [_arm(builder, heading, inner_m, profile) for heading in headings]
    kind = IntersectionKind.TRAFFIC_LIGHT if has_lights else IntersectionKind.STOP_SIGN
    joint = builder.add_intersection(kind)
    for number, arm in enumerate(arms):
        line = None
        if has_lights:
            line = builder.add_stop_line(arm.backward_lanes, StopLineKind.TRAFFIC_LIGHT)
        elif number % 2:
            builder.add_stop_line(arm.backward_lanes, StopLineKind.YIELD)
        # Arms are counter-clockwise: the right turn leads to the next arm, the left turn to the previous one.
        right, ahead, left = (arms[(number + step) % 4] for step in (1, 2, 3))
        pairs = [*zip(arm.backward_lanes, ahead.forward_lanes, strict=True)]
        pairs += [(arm.backward_lanes[0], left.forward_lanes[0]), (arm.backward_lanes[-1], right.forward_lanes[-1])]
        for lane, following in pairs:
            builder.add_connector(lane, following, joint, traffic_light_stop_line=line)
        along = np.array([np.cos(headings[number]), np.sin(headings[number])])
        aside = np.array([-along[1], along[0]]) * profile.lanes_forward * profile.width_m
        middle = along * (inner_m - 3.0)
        builder.add_crosswalk(tuple(middle - aside), tuple(middle + aside), width_m=3.0)


def _arm(builder: RoadBuilder, heading: float, inner_m: float, profile: _Profile) -> Road:
    """Add a road that leads away from the junction (forward lanes), and return its inner piece."""
    along = np.array([np.cos(heading), np.sin(heading)])
    inner, outer = [
        profile.add_road(builder, straight(tuple(along * begin_m), tuple(along * end_m)))
        for begin_m, end_m in ((inner_m, 240.0), (240.0 + JOINT_M, 560.0))
    ]
    _join(builder, inner, outer)
    return inner
