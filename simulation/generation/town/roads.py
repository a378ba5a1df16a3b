"""From the plan of a town to its map: lanes, junctions, walkways, car parks and parking places."""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from jaxtyping import Float64

from driving.geometry import arc_lengths
from driving.synthetic.curves import parallel, resampled
from driving.synthetic.drafts import strip
from driving.synthetic.roads import Road, RoadBuilder
from simulation.generation.town.junctions import (
    WALKWAY_FROM_KERB_M,
    ArmEnd,
    add_junction,
    kerb_line,
    setbacks_m,
    stop_line_kind,
)
from simulation.generation.town.layout import JunctionKind, Link, StreetProfile, TownPlan, TownSettings
from simulation.generation.town.paths import curvature, section
from simulation.generation.town.town_map import (
    CROSSWALK_FROM_M,
    CROSSWALK_TO_M,
    LOCATIONS,
    FootPath,
    Movement,
    TownMap,
)

CROSSWALK_MIDDLE_M = -(CROSSWALK_FROM_M + CROSSWALK_TO_M) / 2
"""Middle of a crosswalk, measured outwards from the end of the lanes."""
PARKING_PITCH_M = 6.6
"""Length of street per parked car."""
CARPARK_SIZE_M = (46.0, 26.0)
WALKWAY_WIDTH_M = 2.6


@dataclass(frozen=True, kw_only=True)
class _Streets:
    """Streets that have been added to the map, one per link of the plan."""

    plan: TownPlan
    builder: RoadBuilder
    lines: list[np.ndarray]
    """Dividing lines between the ends of the lanes, site frame."""
    roads: list[Road]


def build_roads(rng: np.random.Generator, plan: TownPlan, settings: TownSettings, name: str) -> TownMap:
    """Build the map of a town under a given name.

    Raises:
        ValueError: When a street is too short for its junctions or bends too sharply. Another plan helps.
    """
    location = LOCATIONS[settings.location]
    builder = RoadBuilder(name=name, version=location.version, epsg=location.epsg, origin=location.origin)
    setbacks = [setbacks_m(junction, plan.links) for junction in plan.junctions]
    lines = [_trimmed(plan, setbacks, number) for number in range(len(plan.links))]
    roads = [_add_street(builder, link, line) for link, line in zip(plan.links, lines, strict=True)]
    streets = _Streets(plan=plan, builder=builder, lines=lines, roads=roads)
    ends = [_arm_ends(rng, streets, number) for number in range(len(plan.junctions))]
    movements: list[Movement] = []
    for number, junction in enumerate(plan.junctions):
        ranks = [profile.rank for profile in plan.profiles_at(number)]
        movements += add_junction(builder, number, junction, ends[number], ranks)
    paths, corners = _foot_paths(streets, ends)
    parking = _parking(rng, streets)
    return TownMap(
        map=builder.build(),
        plan=plan,
        movements=tuple(movements),
        foot_paths=tuple(paths),
        corners=corners,
        parking_poses=builder.to_global(parking),
        origin=np.array(location.origin),
    )


def _trimmed(plan: TownPlan, setbacks: list[list[float]], number: int) -> Float64[np.ndarray, "points 2"]:
    """The dividing line of a link between the ends of its lanes."""
    link = plan.links[number]
    cut = {}
    for is_tail, junction in ((True, link.tail), (False, link.head)):
        arms = plan.junctions[junction].arms
        cut[is_tail] = next(
            setbacks[junction][k] for k, arm in enumerate(arms) if arm.link == number and arm.is_tail == is_tail
        )
    if link.length_m - cut[True] - cut[False] < 40.0:
        raise ValueError(
            f"Street {number} of {link.length_m:.0f} m is too short: its junctions take"
            f" {cut[True] + cut[False]:.0f} m and 40 m must be left."
        )
    return resampled(section(link.curve, cut[True], link.length_m - cut[False]), 2.0)


def _add_street(builder: RoadBuilder, link: Link, line: Float64[np.ndarray, "points 2"]) -> Road:
    profile = link.profile
    bend = float(np.abs(curvature(line))[2:-2].max())
    if bend * (profile.half_width_m + 5.0) > 0.8:
        raise ValueError(
            f"A street with a radius of {1 / bend:.0f} m bends too sharply for its half width of"
            f" {profile.half_width_m:.1f} m."
        )
    return builder.add_road(
        line,
        lanes_forward=profile.lanes,
        lanes_backward=profile.lanes,
        lane_width_m=profile.lane_width_m,
        speed_limit_mps=profile.speed_limit_mps,
        shoulder_forward_m=profile.shoulder_m,
        shoulder_backward_m=profile.shoulder_m,
    )


def _arm_ends(rng: np.random.Generator, streets: _Streets, number: int) -> list[ArmEnd]:
    """The arms of a junction, with crosswalks and stop lines added to the map."""
    junction, builder = streets.plan.junctions[number], streets.builder
    profiles = streets.plan.profiles_at(number)
    ranks = [profile.rank for profile in profiles]
    ends = []
    for arm, profile in zip(junction.arms, profiles, strict=True):
        road, line = streets.roads[arm.link], streets.lines[arm.link]
        outwards = line if arm.is_tail else line[::-1]
        step = outwards[1] - outwards[0]
        incoming, outgoing = (
            (road.backward_lanes, road.forward_lanes) if arm.is_tail else (road.forward_lanes, road.backward_lanes)
        )
        end = ArmEnd(
            arm=arm,
            incoming=incoming,
            outgoing=outgoing,
            half_width_m=profile.half_width_m,
            pose=np.array([*outwards[0], np.arctan2(step[1], step[0])]),
        )
        has_crosswalk = junction.kind == JunctionKind.SIGNAL or (
            junction.kind != JunctionKind.BEND and profile.lanes <= 2 and rng.uniform() < 0.7
        )
        crosswalk_id = _add_crosswalk(builder, end) if has_crosswalk else None
        kind = stop_line_kind(junction, profile.rank, ranks)
        stop_line_id = None if kind is None else builder.add_stop_line(incoming, kind)
        ends.append(replace(end, crosswalk_id=crosswalk_id, stop_line_id=stop_line_id))
    return ends


def _add_crosswalk(builder: RoadBuilder, end: ArmEnd) -> int:
    right, left = (end.point(CROSSWALK_MIDDLE_M, side * end.half_width_m) for side in (-1, 1))
    return builder.add_crosswalk(tuple(right), tuple(left), CROSSWALK_TO_M - CROSSWALK_FROM_M)


def _foot_paths(streets: _Streets, ends: list[list[ArmEnd]]) -> tuple[list[FootPath], np.ndarray]:
    """Walkways along streets and around corners, the crosswalks between them, and the corners where they meet."""
    plan, builder = streets.plan, streets.builder
    corners: list[np.ndarray] = []
    paths: list[FootPath] = []
    corner_of: dict[tuple[int, bool, bool], int] = {}
    """Link, whether at its tail, whether on the left seen out of the junction -> corner."""

    def add_walkway(start: int, line: np.ndarray, stop: int) -> None:
        points = np.concatenate([[corners[start]], line, [corners[stop]]])
        builder.add_walkway(points, WALKWAY_WIDTH_M)
        paths.append(FootPath(points=points, start=start, end=stop))

    for junction, around in enumerate(ends):
        for number, end in enumerate(around):
            reach_m = end.half_width_m + WALKWAY_FROM_KERB_M
            for is_left, side_m in ((False, -reach_m), (True, reach_m)):
                corner_of[end.arm.link, end.arm.is_tail, is_left] = len(corners)
                corners.append(end.point(CROSSWALK_MIDDLE_M, side_m))
            if end.crosswalk_id is not None:
                right, left = (corner_of[end.arm.link, end.arm.is_tail, is_left] for is_left in (False, True))
                paths.append(
                    FootPath(
                        points=np.array([corners[right], corners[left]]),
                        start=right,
                        end=left,
                        crosswalk_id=end.crosswalk_id,
                        junction=junction,
                        arm=number,
                    )
                )
        for number, end in enumerate(around):
            after = around[(number + 1) % len(around)]
            line = kerb_line(end, after, WALKWAY_FROM_KERB_M)
            if plan.junctions[junction].kind == JunctionKind.ROUNDABOUT:
                line = _outside_ring(plan.junctions[junction].center, line)
            add_walkway(
                corner_of[end.arm.link, end.arm.is_tail, True],
                line,
                corner_of[after.arm.link, after.arm.is_tail, False],
            )
    for number, line in enumerate(streets.lines):
        reach_m = plan.links[number].profile.half_width_m + WALKWAY_FROM_KERB_M
        for is_left in (False, True):
            # The left side of a link is the left side of its tail arm and the right side of its head arm.
            side = parallel(line, reach_m if is_left else -reach_m)
            add_walkway(corner_of[number, True, is_left], side[1:-1], corner_of[number, False, not is_left])
    return paths, np.array(corners)


def _outside_ring(
    center: Float64[np.ndarray, "2"], line: Float64[np.ndarray, "points 2"]
) -> Float64[np.ndarray, "points 2"]:
    """Move the points of a walkway out of a roundabout."""
    away = line - center
    distance = np.hypot(away[:, 0], away[:, 1])
    return center + away * (np.maximum(distance, 23.5) / distance)[:, np.newaxis]


def _parking(rng: np.random.Generator, streets: _Streets) -> Float64[np.ndarray, "places 3"]:
    """Add car parks and pick-up bays to the map and return all parking places, site frame."""
    places: list[np.ndarray] = []
    for number, line in enumerate(streets.lines):
        profile = streets.plan.links[number].profile
        for side in (-1.0, 1.0):
            driven = line if side < 0 else line[::-1]
            length_m = float(np.hypot(*np.diff(driven, axis=0).T).sum())
            bay_m = None
            if length_m > 110.0 and profile.speed_limit_mps < 16.0 and rng.uniform() < 0.45:
                bay_m = float(rng.uniform(30.0, length_m - 80.0))
                streets.builder.add_carpark(_pickup_bay(driven, profile, bay_m))
            if profile.has_parking:
                places += _kerb_places(driven, profile, length_m, bay_m)
            elif length_m > 120.0 and rng.uniform() < 0.35:
                places += _carpark(streets.builder, driven, profile.half_width_m, length_m)
    return np.array(places).reshape(-1, 3)


def _pickup_bay(driven: Float64[np.ndarray, "points 2"], profile: StreetProfile, start_m: float) -> shapely.Polygon:
    """A pick-up and drop-off area: the kerb lane and the strip beside it, 45 m long."""
    piece = resampled(section(driven, start_m, start_m + 45.0), 2.0)
    inner = parallel(piece, -profile.lane_width_m * (profile.lanes - 1))
    return shapely.Polygon(np.concatenate([inner, parallel(piece, -profile.half_width_m)[::-1]]))


def _kerb_places(
    driven: Float64[np.ndarray, "points 2"], profile: StreetProfile, length_m: float, bay_m: float | None
) -> list[np.ndarray]:
    """Poses (3,) of parking places along the kerb, none of them in the pick-up bay."""
    at = np.arange(16.0, length_m - 16.0, PARKING_PITCH_M)
    if bay_m is not None:
        at = at[(at < bay_m - 4.0) | (at > bay_m + 49.0)]
    kerb = parallel(driven, -(profile.half_width_m - 1.12))
    steps = np.gradient(kerb, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    columns = [np.interp(at, arc_lengths(driven), values) for values in (kerb[:, 0], kerb[:, 1], heading)]
    return list(np.stack(columns, axis=-1))


def _carpark(
    builder: RoadBuilder, driven: Float64[np.ndarray, "points 2"], half_width_m: float, length_m: float
) -> list[np.ndarray]:
    """Add a car park behind the walkway and its driveway; poses (3,) of its places in two rows."""
    piece = section(driven, length_m / 2 - 1.0, length_m / 2 + 1.0)
    forward = (piece[-1] - piece[0]) / np.hypot(*(piece[-1] - piece[0]))
    right = np.array([forward[1], -forward[0]])
    length, depth = CARPARK_SIZE_M
    near = (piece[0] + piece[-1]) / 2 + right * (half_width_m + 5.0)
    box = [near - forward * length / 2, near + forward * length / 2]
    builder.add_carpark(shapely.Polygon([box[0], box[1], box[1] + right * depth, box[0] + right * depth]))
    builder.add_drivable_area(strip(np.array([near - right * 5.2, near + right * 0.2]), 7.0))
    heading = float(np.arctan2(right[1], right[0]))
    places = []
    for step in np.arange(-length / 2 + 2.5, length / 2 - 2.0, 2.8):
        if abs(step) > 5.0:
            places.append(np.array([*(near + forward * step + right * 3.2), heading + np.pi]))
        places.append(np.array([*(near + forward * step + right * (depth - 3.2)), heading]))
    return places
