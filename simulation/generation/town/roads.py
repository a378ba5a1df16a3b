"""From the plan of a town to its map: lanes, junctions, walkways, car parks and places to park."""

from dataclasses import dataclass

import numpy as np
import shapely

from driving.geometry import arc_lengths
from driving.map import MapGraph
from driving.synthetic.curves import parallel
from driving.synthetic.drafts import strip
from driving.synthetic.roads import Road, RoadBuilder
from simulation.generation.town.junctions import (
    CROSSWALK_FROM_M,
    CROSSWALK_TO_M,
    WALKWAY_FROM_KERB_M,
    ArmEnd,
    Movement,
    add_junction,
    kerb_line,
    setbacks_m,
    stop_line_kind,
)
from simulation.generation.town.layout import JunctionKind, Link, TownPlan, TownSettings
from simulation.generation.town.paths import between, curvature, evenly

PARKING_PITCH_M = 6.6
"""Length of street that one parked car takes."""
CARPARK_SIZE_M = (46.0, 26.0)


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where on earth a town of a given map name is put."""

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
"""Right-hand traffic only: the builder lays no left-hand streets, so that Singapore is left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FootPath:
    """A piece of the pedestrians' network, walked in both directions. Site frame."""

    points: np.ndarray
    """(points, 2)."""
    start: int
    """Corner of the network."""
    end: int
    crosswalk_id: int | None = None
    junction: int = -1
    """Set for crosswalks, as is the arm."""
    arm: int = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class TownRoads:
    """The map, and what traffic needs to know beyond it."""

    map: MapGraph
    plan: TownPlan
    movements: tuple[Movement, ...]
    """In the row order of the map's lane connectors."""
    foot_paths: tuple[FootPath, ...]
    corners: np.ndarray
    """(corners, 2) where foot paths meet."""
    parking_poses: np.ndarray
    """(places, 3) box centres beside the streets and in car parks, global."""
    origin: np.ndarray
    """(2,) from the site frame to the map's."""


def build_roads(rng: np.random.Generator, plan: TownPlan, settings: TownSettings, name: str) -> TownRoads:
    """Lay a town's streets; the map is called `name`.

    Raises:
        ValueError: When two junctions are closer than their kerbs allow; another seed helps.
    """
    location = LOCATIONS[settings.location]
    builder = RoadBuilder(name=name, version=location.version, epsg=location.epsg, origin=location.origin)
    setbacks = [setbacks_m(junction, plan.links) for junction in plan.junctions]
    lines = [_trimmed(plan, setbacks, number) for number in range(len(plan.links))]
    roads = [_add_street(builder, link, line) for link, line in zip(plan.links, lines, strict=True)]
    ends = [_arm_ends(rng, builder, plan, roads, lines, number) for number in range(len(plan.junctions))]
    movements: list[Movement] = []
    for number, junction in enumerate(plan.junctions):
        ranks = [plan.links[arm.link].profile.rank for arm in junction.arms]
        movements += add_junction(builder, number, junction, ends[number], ranks)
    paths, corners = _foot_paths(builder, plan, lines, ends)
    parking = _parking(rng, builder, plan, lines)
    return TownRoads(
        map=builder.build(),
        plan=plan,
        movements=tuple(movements),
        foot_paths=tuple(paths),
        corners=corners,
        parking_poses=builder.to_global(parking),
        origin=np.array(location.origin),
    )


def _trimmed(plan: TownPlan, setbacks: list[list[float]], number: int) -> np.ndarray:
    """The dividing line of a link between the ends of its lanes."""
    link = plan.links[number]
    cut = {}
    for is_tail, junction in ((True, link.tail), (False, link.head)):
        arms = plan.junctions[junction].arms
        cut[is_tail] = next(
            setbacks[junction][k] for k, arm in enumerate(arms) if arm.link == number and arm.is_tail == is_tail
        )
    if link.length_m - cut[True] - cut[False] < 40.0:
        raise ValueError(f"Street {number} of {link.length_m:.0f} m is too short for its junctions.")
    return evenly(between(link.curve, cut[True], link.length_m - cut[False]), 2.0)


def _add_street(builder: RoadBuilder, link: Link, line: np.ndarray) -> Road:
    profile = link.profile
    bend = float(np.abs(curvature(line))[2:-2].max())
    if bend * (profile.half_width_m + 5.0) > 0.8:
        raise ValueError(f"A street bends too sharply for its width: {1 / bend:.0f} m radius.")
    return builder.add_road(
        line,
        lanes_forward=profile.lanes,
        lanes_backward=profile.lanes,
        lane_width_m=profile.lane_width_m,
        speed_limit_mps=profile.speed_limit_mps,
        shoulder_forward_m=profile.shoulder_m,
        shoulder_backward_m=profile.shoulder_m,
    )


def _arm_ends(
    rng: np.random.Generator,
    builder: RoadBuilder,
    plan: TownPlan,
    roads: list[Road],
    lines: list[np.ndarray],
    number: int,
) -> list[ArmEnd]:
    junction = plan.junctions[number]
    ranks = [plan.links[arm.link].profile.rank for arm in junction.arms]
    ends = []
    for arm, rank in zip(junction.arms, ranks, strict=True):
        road, line = roads[arm.link], lines[arm.link]
        profile = plan.links[arm.link].profile
        outwards = line if arm.is_tail else line[::-1]
        step = outwards[1] - outwards[0]
        pose = np.array([*outwards[0], np.arctan2(step[1], step[0])])
        incoming, outgoing = (
            (road.backward_lanes, road.forward_lanes) if arm.is_tail else (road.forward_lanes, road.backward_lanes)
        )
        end = ArmEnd(
            arm=arm,
            incoming=incoming,
            outgoing=outgoing,
            half_width_m=profile.half_width_m,
            pose=pose,
            crosswalk_id=None,
            stop_line_id=None,
        )
        has_crosswalk = junction.kind == JunctionKind.SIGNAL or (
            junction.kind != JunctionKind.BEND and profile.lanes <= 2 and rng.uniform() < 0.7
        )
        kind = stop_line_kind(junction, rank, ranks)
        middle_m = -(CROSSWALK_FROM_M + CROSSWALK_TO_M) / 2
        ends.append(
            ArmEnd(
                arm=arm,
                incoming=incoming,
                outgoing=outgoing,
                half_width_m=profile.half_width_m,
                pose=pose,
                crosswalk_id=builder.add_crosswalk(
                    tuple(end.place(middle_m, -end.half_width_m)),
                    tuple(end.place(middle_m, end.half_width_m)),
                    CROSSWALK_TO_M - CROSSWALK_FROM_M,
                )
                if has_crosswalk
                else None,
                stop_line_id=None if kind is None else builder.add_stop_line(incoming, kind),
            )
        )
    return ends


def _foot_paths(
    builder: RoadBuilder, plan: TownPlan, lines: list[np.ndarray], ends: list[list[ArmEnd]]
) -> tuple[list[FootPath], np.ndarray]:
    """Walkways along all streets and around all corners, and the crosswalks between them."""
    corners: list[np.ndarray] = []
    paths: list[FootPath] = []
    corner_of: dict[tuple[int, bool, bool], int] = {}
    """Link, whether at its tail, whether on the left seen out of the junction -> corner."""
    middle_m = -(CROSSWALK_FROM_M + CROSSWALK_TO_M) / 2
    for junction, around in enumerate(ends):
        for number, end in enumerate(around):
            reach_m = end.half_width_m + WALKWAY_FROM_KERB_M
            for is_left, side_m in ((False, -reach_m), (True, reach_m)):
                corner_of[end.arm.link, end.arm.is_tail, is_left] = len(corners)
                corners.append(end.place(middle_m, side_m))
            if end.crosswalk_id is not None:
                pair = [corner_of[end.arm.link, end.arm.is_tail, is_left] for is_left in (False, True)]
                paths.append(
                    FootPath(
                        points=np.array([corners[pair[0]], corners[pair[1]]]),
                        start=pair[0],
                        end=pair[1],
                        crosswalk_id=end.crosswalk_id,
                        junction=junction,
                        arm=number,
                    )
                )
        for number, end in enumerate(around):
            after = around[(number + 1) % len(around)]
            start = corner_of[end.arm.link, end.arm.is_tail, True]
            stop = corner_of[after.arm.link, after.arm.is_tail, False]
            line = kerb_line(end, after, WALKWAY_FROM_KERB_M)
            if plan.junctions[junction].kind == JunctionKind.ROUNDABOUT:
                line = _around_ring(plan.junctions[junction].center, line)
            points = np.concatenate([[corners[start]], line, [corners[stop]]])
            builder.add_walkway(points, 2.6)
            paths.append(FootPath(points=points, start=start, end=stop))
    for number, line in enumerate(lines):
        reach_m = plan.links[number].profile.half_width_m + WALKWAY_FROM_KERB_M
        for is_left in (False, True):
            # Left of the link is left seen out of its tail, and right seen out of its head.
            start, stop = corner_of[number, True, is_left], corner_of[number, False, not is_left]
            side = parallel(line, reach_m if is_left else -reach_m)
            points = np.concatenate([[corners[start]], side[1:-1], [corners[stop]]])
            builder.add_walkway(points, 2.6)
            paths.append(FootPath(points=points, start=start, end=stop))
    return paths, np.array(corners)


def _around_ring(center: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Keep a walkway outside a roundabout."""
    away = line - center
    distance = np.hypot(away[:, 0], away[:, 1])
    return center + away * (np.maximum(distance, 23.5) / distance)[:, np.newaxis]


def _parking(rng: np.random.Generator, builder: RoadBuilder, plan: TownPlan, lines: list[np.ndarray]) -> np.ndarray:
    """Add car parks and pick-up bays to the map; give all places to park (places, 3)."""
    places: list[np.ndarray] = []
    for number, line in enumerate(lines):
        profile = plan.links[number].profile
        for side in (-1.0, 1.0):
            driven = line if side < 0 else line[::-1]
            length_m = float(np.hypot(*np.diff(driven, axis=0).T).sum())
            bay_m = None
            if length_m > 110.0 and profile.speed_limit_mps < 16.0 and rng.uniform() < 0.45:
                bay_m = float(rng.uniform(30.0, length_m - 80.0))
                builder.add_carpark(_bay(driven, profile.half_width_m, profile.lane_width_m, profile.lanes, bay_m))
            if profile.has_parking:
                places += _places_along(driven, profile.half_width_m, length_m, bay_m)
            elif length_m > 120.0 and rng.uniform() < 0.35:
                places += _carpark(builder, driven, profile.half_width_m, length_m)
    return np.array(places).reshape(-1, 3)


def _bay(driven: np.ndarray, half_width_m: float, lane_width_m: float, lanes: int, start_m: float) -> shapely.Polygon:
    """A pick-up and drop-off area: the kerb lane and the strip beside it, over 45 m."""
    piece = evenly(between(driven, start_m, start_m + 45.0), 2.0)
    inner = parallel(piece, -lane_width_m * (lanes - 1))
    return shapely.Polygon(np.concatenate([inner, parallel(piece, -half_width_m)[::-1]]))


def _places_along(driven: np.ndarray, half_width_m: float, length_m: float, bay_m: float | None) -> list[np.ndarray]:
    at = np.arange(16.0, length_m - 16.0, PARKING_PITCH_M)
    if bay_m is not None:
        at = at[(at < bay_m - 4.0) | (at > bay_m + 49.0)]
    kerb = parallel(driven, -(half_width_m - 1.12))
    along = arc_lengths(driven)
    steps = np.gradient(kerb, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    columns = [np.interp(at, along, values) for values in (kerb[:, 0], kerb[:, 1], heading)]
    return list(np.stack(columns, axis=-1))


def _carpark(builder: RoadBuilder, driven: np.ndarray, half_width_m: float, length_m: float) -> list[np.ndarray]:
    """A car park behind the walkway, its driveway, and its places in two rows."""
    piece = between(driven, length_m / 2 - 1.0, length_m / 2 + 1.0)
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
