"""Whether a scenario makes sense: every importer and generator is held against the same list.

Each check tells in a sentence what is wrong. For a recorded drive, what was measured cannot be mended:
overlapping boxes or a wheel on the kerb are then reported, but are no errors.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from weakref import WeakKeyDictionary

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64

from driving.agents import static_mask
from driving.geometry import box_corners
from driving.map import MapGraph
from driving.routing import route_gaps
from driving.scenario import Scenario
from driving.scenario_types import KNOWN_SCENARIO_TYPES, UNKNOWN_SCENARIO_TYPE
from driving.vehicle import MAX_OFF_ROAD_M, PACIFICA

MAX_LANE_GAP_M = 1.0
"""A centerline starts no further than this from the end of the one before."""

MIN_OVERLAP_M = 0.05
"""Boxes that reach into each other by less only touch: labels are no more exact."""

MAX_ROUTE_GAP_M = 1.0
"""How far the ego may be beside the roadblocks of its route."""

SHOWN_ITEMS = 3
"""Examples in one sentence."""


class FindingKind(StrEnum):
    """What a finding is about."""

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
    }
)
"""Findings that are errors in a made scenario, but facts about a recorded one."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong or remarkable."""

    kind: FindingKind
    message: str
    """A sentence."""
    is_error: bool = True


def check_scenario(scenario: Scenario, *, recorded: bool = False) -> list[Finding]:
    """Raise when a scenario has errors; otherwise return what is remarkable about it.

    Args:
        scenario: Read, imported, hand-made or generated.
        recorded: Whether it was measured, so that `MEASURED_KINDS` are no errors.

    Raises:
        ValueError: Naming all errors.
    """
    findings = scenario_findings(scenario, recorded=recorded)
    errors = [finding.message for finding in findings if finding.is_error]
    if errors:
        raise ValueError(f"Scenario {scenario.scenario_id} of log {scenario.log_name}: {' '.join(errors)}")
    return findings


def scenario_findings(scenario: Scenario, *, recorded: bool = False) -> list[Finding]:
    """Everything that is wrong or remarkable, in reading order; see `check_scenario`."""
    findings = [*_time_findings(scenario), *_ego_findings(scenario), *_agent_findings(scenario)]
    findings += map_findings(scenario.map)
    findings += [*_route_findings(scenario), *_light_findings(scenario), *_type_findings(scenario)]
    # Where a box is NaN, the places below would be meaningless.
    if not any(finding.is_error and finding.kind in (FindingKind.EGO, FindingKind.AGENTS) for finding in findings):
        findings += [*_overlap_findings(scenario), *_collision_findings(scenario), *_area_findings(scenario)]
    if recorded:
        findings = [
            replace(finding, is_error=finding.is_error and finding.kind not in MEASURED_KINDS) for finding in findings
        ]
    return findings


# ---------------------------------------------------------------------- numbers


def _time_findings(scenario: Scenario) -> Iterator[Finding]:
    steps_us = np.diff(scenario.time_us)
    if (steps_us <= 0).any():
        step = int(np.argmax(steps_us <= 0))
        yield Finding(
            kind=FindingKind.TIME,
            message=f"Time stamps must rise, but step {step + 1} is {-steps_us[step]} us before step {step}.",
        )
    if not np.array_equal(scenario.time_us, scenario.ego.time_us):
        yield Finding(kind=FindingKind.TIME, message="The ego's time stamps differ from the scenario's.")


def _ego_findings(scenario: Scenario) -> Iterator[Finding]:
    ego = scenario.ego
    if ego.num_motions != 1:
        yield Finding(kind=FindingKind.EGO, message=f"The logged ego is one motion, got {ego.num_motions}.")
    for name in ("rear_axle_poses", "velocities_mps", "accelerations_mps2"):
        finite = np.isfinite(getattr(ego, name)).all(axis=(0, 2))
        if not finite.all():
            yield Finding(
                kind=FindingKind.EGO,
                message=f"The ego's {name} are not finite at {(~finite).sum()} steps, first at {_first(~finite)}.",
            )


def _agent_findings(scenario: Scenario) -> Iterator[Finding]:
    agents = scenario.agents
    repeated = [track_id for track_id, count in Counter(agents.track_ids).items() if count > 1]
    if repeated:
        yield Finding(
            kind=FindingKind.AGENTS, message=f"Track ids must be unique, but {_some(repeated)} occur twice."
        )
    for name in ("poses", "velocities_mps", "sizes"):
        values = getattr(agents, name)
        holes = agents.valid & ~np.isfinite(values).all(axis=2)
        leftovers = ~agents.valid & ~np.isnan(values).all(axis=2)
        if holes.any():
            who = _some([agents.track_ids[row] for row in np.flatnonzero(holes.any(axis=1))])
            yield Finding(
                kind=FindingKind.AGENTS, message=f"Observed agents need finite {name}; those of {who} are not."
            )
        if leftovers.any():
            who = _some([agents.track_ids[row] for row in np.flatnonzero(leftovers.any(axis=1))])
            yield Finding(
                kind=FindingKind.AGENTS, message=f"Unobserved agents have NaN {name}; those of {who} are not."
            )
    flat = agents.valid & (agents.sizes <= 0).any(axis=2)
    if flat.any():
        who = _some([agents.track_ids[row] for row in np.flatnonzero(flat.any(axis=1))])
        yield Finding(kind=FindingKind.AGENTS, message=f"Boxes need a length and width above 0; {who} have none.")


def _type_findings(scenario: Scenario) -> Iterator[Finding]:
    if scenario.scenario_type not in KNOWN_SCENARIO_TYPES | {UNKNOWN_SCENARIO_TYPE}:
        yield Finding(
            kind=FindingKind.SCENARIO_TYPE,
            message=f"nuPlan has no scenario type {scenario.scenario_type!r}; its filters will pass over it.",
            is_error=False,
        )


# ---------------------------------------------------------------------- map and route

_findings_of_map: WeakKeyDictionary[MapGraph, list[Finding]] = WeakKeyDictionary()


def map_findings(map_graph: MapGraph) -> list[Finding]:
    """What is wrong with the ids and the lane graph. Remembered per map, as many scenarios share one."""
    if map_graph not in _findings_of_map:
        _findings_of_map[map_graph] = [*_id_findings(map_graph), *_graph_findings(map_graph)]
    return _findings_of_map[map_graph]


def _id_findings(map_graph: MapGraph) -> Iterator[Finding]:
    # nuPlan's routes and planners mix the two kinds, so that the ids of both must differ.
    groups = {
        "lanes and lane connectors": [map_graph.lanes.ids],
        "roadblocks and roadblock connectors": [map_graph.roadblocks.ids, map_graph.roadblock_connectors.ids],
    }
    for name in ("intersections", "stop_lines", "crosswalks", "walkways", "carparks", "road_segments"):
        groups[name.replace("_", " ")] = [getattr(map_graph, name).ids]
    for name, parts in groups.items():
        ids, counts = np.unique(np.concatenate(parts), return_counts=True)
        if (counts > 1).any():
            repeated = _some(ids[counts > 1].tolist())
            yield Finding(kind=FindingKind.MAP_IDS, message=f"Ids of {name} must be unique; {repeated} occur twice.")


def _graph_findings(map_graph: MapGraph) -> Iterator[Finding]:
    lanes = map_graph.lanes
    forward = _links(lanes.successors.values, lanes.successors.offsets)
    backward = _links(lanes.predecessors.values, lanes.predecessors.offsets)[:, ::-1]
    one_way = {*map(tuple, forward.tolist())} ^ {*map(tuple, backward.tolist())}
    if one_way:
        pairs = [f"{lanes.ids[a]} to {lanes.ids[b]}" for a, b in sorted(one_way)]
        yield Finding(
            kind=FindingKind.LANE_GRAPH,
            message=f"Successors and predecessors disagree on the links {_some(pairs)}.",
        )
    for name, links in (("predecessor", lanes.predecessors), ("successor", lanes.successors)):
        wrong = np.flatnonzero(np.diff(links.offsets)[lanes.num_lanes :] != 1) + lanes.num_lanes
        if len(wrong):
            yield Finding(
                kind=FindingKind.LANE_GRAPH,
                message=f"A lane connector has exactly one {name}; {_some(lanes.ids[wrong].tolist())} have not.",
            )
    lengths = np.diff(lanes.centerlines.offsets)
    if (lengths < 2).any():
        short = _some(lanes.ids[lengths < 2].tolist())
        yield Finding(kind=FindingKind.LANE_GRAPH, message=f"Centerlines need 2 points; those of {short} have fewer.")
        return
    ends = lanes.centerlines.values[lanes.centerlines.offsets[1:] - 1]
    starts = lanes.centerlines.values[lanes.centerlines.offsets[:-1]]
    gaps_m = np.hypot(*(starts[forward[:, 1]] - ends[forward[:, 0]]).T)
    if (gaps_m > MAX_LANE_GAP_M).any():
        apart = [
            f"{lanes.ids[a]} to {lanes.ids[b]} ({gap_m:.1f} m)"
            for (a, b), gap_m in zip(forward, gaps_m, strict=True)
            if gap_m > MAX_LANE_GAP_M
        ]
        yield Finding(
            kind=FindingKind.LANE_GAP,
            message=f"Centerlines must follow on each other within {MAX_LANE_GAP_M} m, but not {_some(apart)}.",
        )


def _links(values: Int64[np.ndarray, "links"], offsets: Int64[np.ndarray, "rows"]) -> Int64[np.ndarray, "links 2"]:
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.stack([owners, values], axis=-1)


def _route_findings(scenario: Scenario) -> Iterator[Finding]:
    map_graph, route = scenario.map, scenario.route
    if not route.roadblock_ids:
        yield Finding(kind=FindingKind.ROUTE, message="The route names no roadblock.")
        return
    unknown = [roadblock_id for roadblock_id in route.roadblock_ids if not map_graph.has_roadblock(roadblock_id)]
    if unknown:
        yield Finding(kind=FindingKind.ROUTE, message=f"The map has no roadblocks {_some(unknown)} of the route.")
        return
    if len(route.roadblock_ids) == 1:
        yield Finding(
            kind=FindingKind.SINGLE_ROADBLOCK,
            message=f"The route is the single roadblock {route.roadblock_ids[0]}; nuPlan's IDM planner needs two.",
            is_error=False,
        )
    gaps = [f"{here} to {there}" for here, there in route_gaps(map_graph, route.roadblock_ids)]
    if gaps:
        yield Finding(kind=FindingKind.ROUTE, message=f"The route is not connected from {_some(gaps)}.")
    if not len(route.centerline):
        yield Finding(kind=FindingKind.ROUTE, message="The route has no centerline.")
    centers = scenario.ego.center_poses()[0, scenario.frames, :2]
    if not np.isfinite(centers).all():
        return
    blocks = np.array([map_graph.roadblock_polygon(roadblock_id) for roadblock_id in route.roadblock_ids])
    off = ~_within(blocks, centers, MAX_ROUTE_GAP_M)
    if off[0]:
        gap_m = float(shapely.distance(blocks, shapely.Point(centers[0])).min())
        yield Finding(kind=FindingKind.ROUTE, message=f"The logged ego starts {gap_m:.1f} m beside its route.")
    elif off.any():
        yield Finding(
            kind=FindingKind.OFF_ROUTE,
            message=f"The logged ego leaves its route for {off.sum()} frames, first at iteration {_first(off)}.",
            is_error=False,
        )


def _light_findings(scenario: Scenario) -> Iterator[Finding]:
    lanes = scenario.map.lanes
    unknown = np.setdiff1d(scenario.traffic_lights.lane_connector_ids, lanes.ids[lanes.num_lanes :])
    if len(unknown):
        yield Finding(
            kind=FindingKind.LIGHTS,
            message=f"Traffic lights name lane connectors; the map has none of {_some(unknown.tolist())}.",
        )


# ---------------------------------------------------------------------- places


def _overlap_findings(scenario: Scenario) -> Iterator[Finding]:
    agents, now = scenario.agents, scenario.first_frame
    rows = np.flatnonzero(agents.valid[:, now])
    poses, sizes = agents.poses[rows, now], agents.sizes[rows, now]
    is_static = static_mask(agents.kinds[rows])
    first, second = np.triu_indices(len(rows), k=1)
    # Cones and barriers stand as close as they like.
    near = _may_touch(poses[first], sizes[first], poses[second], sizes[second])
    near &= ~(is_static[first] & is_static[second])
    first, second = first[near], second[near]
    depth_m = overlap_m(poses[first], sizes[first], poses[second], sizes[second])
    pairs = [
        f"{agents.track_ids[rows[a]]} and {agents.track_ids[rows[b]]} ({depth:.2f} m)"
        for a, b, depth in zip(first, second, depth_m, strict=True)
        if depth > MIN_OVERLAP_M
    ]
    if pairs:
        yield Finding(kind=FindingKind.OVERLAP, message=f"At the first frame agents overlap: {_some(pairs)}.")


def _collision_findings(scenario: Scenario) -> Iterator[Finding]:
    agents = scenario.agents
    valid, poses = agents.valid[:, scenario.frames], agents.poses[:, scenario.frames]
    sizes = agents.sizes[:, scenario.frames]
    ego_poses = scenario.ego.center_poses()[0, scenario.frames]
    ego_size = np.array([PACIFICA.length_m, PACIFICA.width_m])
    rows, steps = np.nonzero(valid)
    near = _may_touch(poses[rows, steps], sizes[rows, steps], ego_poses[steps], ego_size[np.newaxis])
    rows, steps = rows[near], steps[near]
    ego_sizes = np.broadcast_to(ego_size, (len(rows), 2))
    depth_m = overlap_m(poses[rows, steps], sizes[rows, steps], ego_poses[steps], np.ascontiguousarray(ego_sizes))
    hit = depth_m > MIN_OVERLAP_M
    for row in dict.fromkeys(rows[hit].tolist()):
        of_row = hit & (rows == row)
        at_start = bool((steps[of_row] == 0).any())
        who = f"{agents.track_ids[row]} by {depth_m[of_row].max():.2f} m"
        yield Finding(
            kind=FindingKind.OVERLAP if at_start else FindingKind.COLLISION,
            message=f"At the first frame the ego overlaps agent {who}."
            if at_start
            else f"The logged ego runs into agent {who}, first at iteration {steps[of_row].min()}.",
        )


def _area_findings(scenario: Scenario) -> Iterator[Finding]:
    corners = scenario.ego.corners()[0, scenario.frames]
    area = scenario.map.drivable_area
    on_road = _within(area.polygons, corners.reshape(-1, 2), MAX_OFF_ROAD_M, area.tree)
    off = ~np.all(on_road.reshape(-1, 4), axis=1)
    if not len(area):
        yield Finding(kind=FindingKind.OFF_ROAD, message="The map has no drivable area.")
    elif off.any():
        far = corners[off].reshape(-1, 2)
        _, nearest_m = area.tree.query_nearest(shapely.points(far), return_distance=True, all_matches=False)
        yield Finding(
            kind=FindingKind.OFF_ROAD,
            message=f"The logged ego leaves the drivable area for {off.sum()} frames, first at iteration"
            f" {_first(off)}, by up to {nearest_m.max():.2f} m.",
        )


def _within(
    polygons: np.ndarray,
    points: Float64[np.ndarray, "points 2"],
    distance_m: float,
    tree: shapely.STRtree | None = None,
) -> Bool[np.ndarray, "points"]:
    """Whether each point is in, or at most `distance_m` beside, one of the polygons."""
    tree = tree or shapely.STRtree(polygons)
    found = np.zeros(len(points), dtype=bool)
    found[tree.query(shapely.points(points), predicate="dwithin", distance=distance_m)[0]] = True
    return found


def _may_touch(
    poses: Float64[np.ndarray, "pairs 3"],
    sizes: Float64[np.ndarray, "pairs 2"],
    other_poses: Float64[np.ndarray, "pairs 3"],
    other_sizes: Float64[np.ndarray, "#pairs 2"],
) -> Bool[np.ndarray, "pairs"]:
    reach_m = (np.hypot(*sizes.T) + np.hypot(*other_sizes.T)) / 2
    return np.hypot(*(poses[:, :2] - other_poses[:, :2]).T) < reach_m


def overlap_m(
    poses: Float64[np.ndarray, "pairs 3"],
    sizes: Float64[np.ndarray, "pairs 2"],
    other_poses: Float64[np.ndarray, "pairs 3"],
    other_sizes: Float64[np.ndarray, "pairs 2"],
) -> Float64[np.ndarray, "pairs"]:
    """How deep two boxes reach into each other [m]: the way to move one until they part; 0 or less when apart.

    Separating axes: boxes are apart if and only if the direction of some side separates them.
    """
    ours, theirs = box_corners(poses, sizes), box_corners(other_poses, other_sizes)
    headings = np.stack([poses[:, 2], poses[:, 2], other_poses[:, 2], other_poses[:, 2]], axis=-1)
    headings = headings + np.array([0.0, np.pi / 2, 0.0, np.pi / 2])
    axes = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    # Relative to one of the boxes: at 4e6 m from the origin, products of coordinates lose their millimetres.
    origin = poses[:, np.newaxis, :2]
    a = np.einsum("pcd,pad->pac", ours - origin, axes)
    b = np.einsum("pcd,pad->pac", theirs - origin, axes)
    shared = np.minimum(a.max(axis=-1), b.max(axis=-1)) - np.maximum(a.min(axis=-1), b.min(axis=-1))
    return shared.min(axis=-1)


def _first(flags: Bool[np.ndarray, "steps"]) -> int:
    return int(np.argmax(flags))


def _some(items: list[str] | list[int]) -> str:
    rest = len(items) - SHOWN_ITEMS
    shown = ", ".join(str(item) for item in items[:SHOWN_ITEMS])
    return f"{shown} and {rest} more" if rest > 0 else shown
