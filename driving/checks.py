"""Checks of a scenario, the same for every importer and generator.

Measured values of a recorded drive, such as overlapping boxes or a wheel on the kerb, are findings but no errors.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely
from jaxtyping import Bool, Float64

from driving.agents import static_mask
from driving.findings import MEASURED_KINDS, Finding, FindingKind
from driving.geometry import box_overlap_m
from driving.map_checks import map_findings
from driving.names import listed
from driving.routing import route_gaps
from driving.scenario import Scenario
from driving.scenario_types import KNOWN_SCENARIO_TYPES, UNKNOWN_SCENARIO_TYPE
from driving.vehicle import MAX_OFF_ROAD_M, PACIFICA

MIN_OVERLAP_M = 0.05
"""A smaller overlap of boxes is within the accuracy of labels."""

MAX_ROUTE_GAP_M = 1.0
"""Largest distance between the ego and the roadblocks of its route."""


def check_scenario(scenario: Scenario, *, recorded: bool = False) -> list[Finding]:
    """The findings of a scenario without errors.

    Args:
        scenario: Read, imported, hand-made or generated.
        recorded: Whether it was measured, so that `MEASURED_KINDS` are no errors.

    Raises:
        ValueError: When the scenario has errors; names all of them.
    """
    findings = scenario_findings(scenario, recorded=recorded)
    errors = [finding.message for finding in findings if finding.is_error]
    if errors:
        raise ValueError(f"Scenario {scenario.scenario_id} of log {scenario.log_name}: {' '.join(errors)}")
    return findings


def scenario_findings(scenario: Scenario, *, recorded: bool = False) -> list[Finding]:
    """All findings, errors included; see `check_scenario`."""
    findings = [*_time_findings(scenario), *_ego_findings(scenario), *_agent_findings(scenario)]
    findings += map_findings(scenario.map)
    findings += [*_route_findings(scenario), *_light_findings(scenario), *_type_findings(scenario)]
    # These need finite boxes.
    if not any(finding.is_error and finding.kind in (FindingKind.EGO, FindingKind.AGENTS) for finding in findings):
        findings += [*_overlap_findings(scenario), *_collision_findings(scenario), *_area_findings(scenario)]
    if recorded:
        findings = [
            replace(finding, is_error=finding.is_error and finding.kind not in MEASURED_KINDS) for finding in findings
        ]
    return findings


# ---------------------------------------------------------------------- time, poses, type


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
            kind=FindingKind.AGENTS, message=f"Track ids must be unique, but {listed(repeated)} occur twice."
        )
    for name in ("poses", "velocities_mps", "sizes"):
        values = getattr(agents, name)
        holes = agents.valid & ~np.isfinite(values).all(axis=2)
        leftovers = ~agents.valid & ~np.isnan(values).all(axis=2)
        if holes.any():
            tracks = listed([agents.track_ids[row] for row in np.flatnonzero(holes.any(axis=1))])
            yield Finding(
                kind=FindingKind.AGENTS, message=f"Observed agents need finite {name}; those of {tracks} are not."
            )
        if leftovers.any():
            tracks = listed([agents.track_ids[row] for row in np.flatnonzero(leftovers.any(axis=1))])
            yield Finding(
                kind=FindingKind.AGENTS, message=f"Unobserved agents have NaN {name}; those of {tracks} are not."
            )
    flat = agents.valid & (agents.sizes <= 0).any(axis=2)
    if flat.any():
        tracks = listed([agents.track_ids[row] for row in np.flatnonzero(flat.any(axis=1))])
        yield Finding(kind=FindingKind.AGENTS, message=f"Boxes need a length and width above 0; {tracks} have none.")


def _type_findings(scenario: Scenario) -> Iterator[Finding]:
    if scenario.scenario_type not in KNOWN_SCENARIO_TYPES | {UNKNOWN_SCENARIO_TYPE}:
        yield Finding(
            kind=FindingKind.SCENARIO_TYPE,
            message=f"nuPlan has no scenario type {scenario.scenario_type!r}; its filters exclude it.",
            is_error=False,
        )


# ---------------------------------------------------------------------- route and lights


def _route_findings(scenario: Scenario) -> Iterator[Finding]:
    map_graph, route = scenario.map, scenario.route
    if not route.roadblock_ids:
        yield Finding(kind=FindingKind.ROUTE, message="The route names no roadblock.")
        return
    unknown = [roadblock_id for roadblock_id in route.roadblock_ids if not map_graph.has_roadblock(roadblock_id)]
    if unknown:
        yield Finding(kind=FindingKind.ROUTE, message=f"The map has no roadblocks {listed(unknown)} of the route.")
        return
    if len(route.roadblock_ids) == 1:
        yield Finding(
            kind=FindingKind.SINGLE_ROADBLOCK,
            message=f"The route is the single roadblock {route.roadblock_ids[0]}; nuPlan's IDM planner needs two.",
        )
    gaps = [f"{here} to {there}" for here, there in route_gaps(map_graph, route.roadblock_ids)]
    if gaps:
        yield Finding(kind=FindingKind.ROUTE, message=f"The route is not connected from {listed(gaps)}.")
    if not len(route.centerline):
        yield Finding(kind=FindingKind.ROUTE, message="The route has no centerline.")
    centers = scenario.ego.center_poses()[0, scenario.frames, :2]
    if not np.isfinite(centers).all():
        return
    blocks = np.array([map_graph.roadblock_polygon(roadblock_id) for roadblock_id in route.roadblock_ids])
    off = ~_within(blocks, centers, MAX_ROUTE_GAP_M)
    if off[0]:
        gap_m = float(shapely.distance(blocks, shapely.Point(centers[0])).min())
        yield Finding(kind=FindingKind.ROUTE, message=f"The logged ego starts {gap_m:.1f} m off its route.")
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
            message=f"Traffic lights name lane connectors; the map has none of {listed(unknown.tolist())}.",
        )


# ---------------------------------------------------------------------- overlaps and areas


def _overlap_findings(scenario: Scenario) -> Iterator[Finding]:
    agents, now = scenario.agents, scenario.first_frame
    rows = np.flatnonzero(agents.valid[:, now])
    poses, sizes = agents.poses[rows, now], agents.sizes[rows, now]
    is_static = static_mask(agents.kinds[rows])
    first, second = np.triu_indices(len(rows), k=1)
    # Static objects may overlap each other.
    near = _may_touch(poses[first], sizes[first], poses[second], sizes[second])
    near &= ~(is_static[first] & is_static[second])
    first, second = first[near], second[near]
    depth_m = box_overlap_m(poses[first], sizes[first], poses[second], sizes[second])
    pairs = [
        f"{agents.track_ids[rows[a]]} and {agents.track_ids[rows[b]]} ({depth:.2f} m)"
        for a, b, depth in zip(first, second, depth_m, strict=True)
        if depth > MIN_OVERLAP_M
    ]
    if pairs:
        yield Finding(kind=FindingKind.OVERLAP, message=f"At the first frame agents overlap: {listed(pairs)}.")


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
    depth_m = box_overlap_m(poses[rows, steps], sizes[rows, steps], ego_poses[steps], np.ascontiguousarray(ego_sizes))
    hit = depth_m > MIN_OVERLAP_M
    for row in dict.fromkeys(rows[hit].tolist()):
        of_row = hit & (rows == row)
        at_start = bool((steps[of_row] == 0).any())
        agent = f"agent {agents.track_ids[row]} by {depth_m[of_row].max():.2f} m"
        yield Finding(
            kind=FindingKind.OVERLAP if at_start else FindingKind.COLLISION,
            message=f"At the first frame the ego overlaps {agent}."
            if at_start
            else f"The logged ego collides with {agent}, first at iteration {steps[of_row].min()}.",
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
    """Whether each point is in one of the polygons or at most `distance_m` from it."""
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


def _first(flags: Bool[np.ndarray, "steps"]) -> int:
    return int(np.argmax(flags))
