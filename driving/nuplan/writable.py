"""Requirements of nuPlan's format and its devkit on logs and maps, checked before anything is written.

`driving.checks` checks the content of scenarios.
"""

import re
from itertools import pairwise

import numpy as np
import shapely

from driving.agents import AgentKind
from driving.map import AreaLayer, MapGraph
from driving.recording import Recording

LARGEST_ID = 2**53 - 1
"""Largest exact id: the devkit reads some id columns as floating-point numbers."""

_TOKEN = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check_log(recording: Recording) -> None:
    """Require that a log file can store a recording.

    Raises:
        ValueError: For NaN, times that do not increase, and invalid names, tags or missions.
    """
    name = recording.log_name
    if not _NAME.fullmatch(name):
        raise ValueError(f"Log name {name!r} is not valid. Use letters, digits, '.', '-', '_' and '+'.")
    steps = len(recording.time_us)
    counts = {recording.ego.num_steps, recording.agents.num_steps, recording.traffic_lights.num_steps}
    if steps < 2 or counts != {steps}:
        raise ValueError(
            f"Log {name}: ego, agents and lights must share a time axis of at least 2 frames,"
            f" got {sorted(counts)} on {steps} time stamps."
        )
    if np.any(np.diff(recording.time_us) <= 0):
        step = int(np.argmax(np.diff(recording.time_us) <= 0))
        raise ValueError(f"Log {name}: time stamps must increase, frame {step + 1} is not after frame {step}.")
    _check_ego(recording)
    _check_agents(recording)
    _check_missions_and_tags(recording)


def _check_ego(recording: Recording) -> None:
    ego = recording.ego
    if ego.num_motions != 1:
        raise ValueError(f"Log {recording.log_name}: one drive is needed, got {ego.num_motions} motions of the ego.")
    for what, values in (
        ("poses", ego.rear_axle_poses),
        ("velocities", ego.velocities_mps),
        ("accelerations", ego.accelerations_mps2),
    ):
        bad = np.flatnonzero(~np.isfinite(values[0]).all(axis=-1))
        if len(bad):
            raise ValueError(
                f"Log {recording.log_name}: {what} of the ego are not finite at {len(bad)} frames, first at {bad[0]}."
            )


def _check_agents(recording: Recording) -> None:
    agents = recording.agents
    if len(set(agents.track_ids)) != agents.num_agents:
        raise ValueError(f"Log {recording.log_name}: track ids must be unique.")
    known = {int(kind) for kind in AgentKind if kind != AgentKind.EGO}
    unknown = sorted(set(agents.kinds.tolist()) - known)
    if unknown:
        raise ValueError(
            f"Log {recording.log_name}: agents have kinds {unknown}, nuPlan has {sorted(known)} besides the ego."
        )
    for what, values in (
        ("pose", agents.poses),
        ("velocity", agents.velocities_mps),
        ("size", agents.sizes),
        ("height above zero", agents.z_m[..., np.newaxis]),
    ):
        bad = np.argwhere(agents.valid & ~np.isfinite(values).all(axis=-1))
        if len(bad):
            row, step = bad[0]
            raise ValueError(
                f"Log {recording.log_name}: track {agents.track_ids[row]} has no finite {what} at frame {step},"
                " where it is marked valid. Mark it invalid there."
            )


def _check_missions_and_tags(recording: Recording) -> None:
    name, steps = recording.log_name, len(recording.time_us)
    starts = [mission.first_frame for mission in recording.missions]
    if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
        raise ValueError(f"Log {name}: missions must start at frame 0 and then at increasing frames, got {starts}.")
    if starts[-1] >= steps:
        raise ValueError(f"Log {name}: a mission starts at frame {starts[-1]}, the log ends at {steps - 1}.")
    for mission in recording.missions:
        if mission.goal_pose is not None and not np.isfinite(mission.goal_pose).all():
            raise ValueError(
                f"Log {name}: the goal {mission.goal_pose.tolist()} is not finite. Use None for no goal."
            )
    tokens: dict[int, str] = {}
    for tag in recording.tags:
        if not 0 <= tag.frame < steps:
            raise ValueError(f"Log {name}: a tag is at frame {tag.frame}, the log has frames 0 to {steps - 1}.")
        token = recording.token(tag)
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"Log {name}: {token!r} is not a token. Use 16 lower-case hex digits.")
        if tokens.setdefault(tag.frame, token) != token:
            raise ValueError(f"Log {name}: frame {tag.frame} is tagged as {tokens[tag.frame]} and as {token}.")
        if tag.track_id is not None and tag.track_id not in recording.agents.track_ids:
            raise ValueError(
                f"Log {name}: a tag at frame {tag.frame} names track {tag.track_id}, which the log lacks."
            )


def check_map(map_graph: MapGraph) -> None:
    """Require that a map file can store a map.

    Raises:
        ValueError: For ids that collide or are too large, dangling links, geometry that is empty or not finite, and
            invalid names.
    """
    for what, text in (("name", map_graph.name), ("version", map_graph.version)):
        if not _NAME.fullmatch(text) or ".gpkg" in text:
            raise ValueError(
                f"Map {what} {text!r} is not a valid folder name. Use letters, digits, '.', '-', '_', but no '.gpkg'."
            )
    lanes = map_graph.lanes
    layers = {"lanes and lane connectors": lanes.areas} | {
        name.replace("_", " "): layer for name, layer in map_graph.area_layers.items()
    }
    for what, layer in layers.items():
        _check_layer(map_graph, what, layer)
    both = set(map_graph.roadblocks.ids.tolist()) & set(map_graph.roadblock_connectors.ids.tolist())
    if both:
        raise ValueError(
            f"Map {map_graph.name}: ids {sorted(both)[:5]} are used by a roadblock and by a roadblock connector."
            " Routes mix the two: give them different ids."
        )
    _check_lanes(map_graph)


def _check_layer(map_graph: MapGraph, what: str, layer: AreaLayer) -> None:
    ids = layer.ids
    if len(ids) and (ids.min() < 0 or ids.max() > LARGEST_ID):
        bad = ids[(ids < 0) | (ids > LARGEST_ID)][0]
        raise ValueError(
            f"Map {map_graph.name}: {what} have id {bad}, ids must be from 0 to {LARGEST_ID}. Renumber them."
        )
    values, counts = np.unique(ids, return_counts=True)
    if np.any(counts > 1):
        raise ValueError(
            f"Map {map_graph.name}: ids {values[counts > 1][:5].tolist()} are used twice among the {what}."
        )
    is_bad = shapely.is_missing(layer.polygons) | shapely.is_empty(layer.polygons)
    is_bad |= ~np.isfinite(shapely.bounds(layer.polygons)).all(axis=-1)
    if np.any(is_bad):
        raise ValueError(
            f"Map {map_graph.name}: {what} {ids[is_bad][:5].tolist()} have no geometry, or one that is not finite."
        )


def _check_lanes(map_graph: MapGraph) -> None:
    name, lanes, ids = map_graph.name, map_graph.lanes, map_graph.lanes.ids
    for what, lines in (
        ("centerline", lanes.centerlines),
        ("left boundary", lanes.left_boundaries),
        ("right boundary", lanes.right_boundaries),
    ):
        counts = np.diff(lines.offsets)
        # Boundaries may be absent, centerlines may not.
        is_short = (counts == 1) | ((counts == 0) & (what == "centerline"))
        if np.any(is_short):
            raise ValueError(f"Map {name}: lanes {ids[is_short][:5].tolist()} need a {what} of at least 2 points.")
        if not np.isfinite(lines.values).all():
            raise ValueError(f"Map {name}: a {what} has points that are not finite.")
    is_short = np.diff(lanes.connector_lines.offsets)[lanes.num_lanes :] < 2
    if np.any(is_short):
        raise ValueError(f"Map {name}: connectors {ids[lanes.num_lanes :][is_short][:5].tolist()} need a line.")
    for row in range(len(lanes)):
        lane_id, before, after = int(ids[row]), lanes.predecessors[row], lanes.successors[row]
        is_connector = lanes.is_connector(row)
        if np.any((before >= lanes.num_lanes) == is_connector) or np.any((after >= lanes.num_lanes) == is_connector):
            raise ValueError(
                f"Map {name}: lane {lane_id} is linked to one of its own kind. In nuPlan's maps lanes and lane"
                " connectors alternate: put a connector between two lanes."
            )
        if is_connector and max(len(before), len(after)) > 1:
            raise ValueError(
                f"Map {name}: lane connector {lane_id} can have one previous and one next lane,"
                f" got {len(before)} and {len(after)}."
            )
        if bool(lanes.has_traffic_lights[row]) != bool(len(lanes.stop_line_ids[row])):
            raise ValueError(
                f"Map {name}: lane connector {lane_id} must name stop lines if and only if it has traffic lights,"
                f" got {bool(lanes.has_traffic_lights[row])} and {lanes.stop_line_ids[row].tolist()}."
            )
        layer = map_graph.roadblock_connectors if is_connector else map_graph.roadblocks
        if layer.row(int(lanes.roadblock_ids[row])) is None:
            raise ValueError(
                f"Map {name}: lane {lane_id} belongs to roadblock {lanes.roadblock_ids[row]}, which the map lacks."
            )
    if len(map_graph.roadblock_edges) != len(map_graph.roadblock_connectors):
        raise ValueError(f"Map {name}: need one edge per roadblock connector, got {len(map_graph.roadblock_edges)}.")
