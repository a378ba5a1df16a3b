"""Last step of every importer: map, ego and agents become a recording with route, goal, tag and notes."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentTracks, TrafficLights
from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.routes import DrivenRoute, driven_route, lane_rows_along
from driving.importers.tagging import scenario_type_at
from driving.map import MapGraph
from driving.recording import ANCHOR_OFFSET_S, SCENARIO_DURATION_S, Mission, Recording, Tag
from driving.scenario import HISTORY_STEPS
from driving.vehicle import PACIFICA

ANCHOR_STEPS = round(ANCHOR_OFFSET_S * 10)
SCENARIO_STEPS = round(SCENARIO_DURATION_S * 10)

MIN_STEPS = ANCHOR_STEPS + 5
"""Shorter recordings are refused: nuPlan tags a frame 3 s after the scenario's start, which needs some history."""

SHORT_HISTORY = 8
"""Recordings of less than 15 s keep this fraction of their steps for the history: one eighth."""


def recording_of(
    *,
    log_name: str,
    map_graph: MapGraph,
    ego: EgoMotion,
    agents: AgentTracks,
    metadata: dict[str, str],
    recorded_size_m: tuple[float, float] | None,
    notes: ImportNotes,
    cameras: CameraFrames | None = None,
) -> Recording:
    """Join the parts of a recording, and find route, goal and scenario type.

    Args:
        log_name: Unique within the source.
        map_graph: The map.
        ego: The logged ego at 10 Hz, M = 1.
        agents: At the same steps.
        metadata: Rules and origins of the importer; those of this module are added.
        recorded_size_m: Length and width of the recorded car, None where unknown.
        notes: Notes of the import; they become part of the metadata.
        cameras: None for a source without images.

    Raises:
        ValueError: When the recording is too short to hold a scenario.
    """
    steps = ego.num_steps
    if steps < MIN_STEPS:
        raise ValueError(
            f"Log {log_name} has {steps} steps of 0.1 s with an ego; a scenario in nuPlan's form needs {MIN_STEPS}."
        )
    first, anchor = scenario_frames(steps)
    frames = steps - first
    if frames <= SCENARIO_STEPS:
        notes.add(
            NoteKind.HINT,
            f"short: the scenario has {(frames - 1) / 10:.1f} s, nuPlan's have 15 s; scripts/benchmark.py drives it"
            " with --allow-short",
        )
    route = _route_around(map_graph, ego, first)
    tag = Tag(
        frame=anchor,
        scenario_type=scenario_type_at(anchor, ego, agents, _changes_lane(map_graph, ego, anchor)),
    )
    goal_pose = ego.rear_axle_poses[0, -1].copy()
    return Recording(
        log_name=log_name,
        map=map_graph,
        time_us=ego.time_us,
        ego=ego,
        agents=agents,
        traffic_lights=TrafficLights.none(steps),
        missions=(Mission(first_frame=0, roadblock_ids=route.roadblock_ids, goal_pose=goal_pose),),
        tags=(tag,),
        cameras=cameras,
        metadata={**metadata, **_rules(route, recorded_size_m), **notes.metadata},
    )


def scenario_frames(steps: int) -> tuple[int, int]:
    """First frame of a recording's scenario, and its tagged frame 3 s later.

    The history has up to 22 steps as far as 15 s remain behind it; in a shorter recording, an eighth of the steps.
    """
    spare = steps - 1 - SCENARIO_STEPS
    first = min(HISTORY_STEPS, spare if spare > 0 else steps // SHORT_HISTORY)
    return first, first + ANCHOR_STEPS


def _route_around(map_graph: MapGraph, ego: EgoMotion, first: int) -> DrivenRoute:
    # From the first frame of the scenario on: planners search the ego in the first two roadblocks of a route.
    return driven_route(map_graph, ego.rear_axle_poses[0, first:])


def _changes_lane(map_graph: MapGraph, ego: EgoMotion, anchor: int) -> bool:
    """Whether the ego changes to another lane of its roadblock from 1 s before to 3 s after the anchor."""
    centers = ego.center_poses()[0, max(0, anchor - 10) : anchor + 31]
    rows = lane_rows_along(map_graph, centers)
    lanes = map_graph.lanes
    return any(
        here != there
        and not lanes.is_connector(here)
        and not lanes.is_connector(there)
        and lanes.roadblock_ids[here] == lanes.roadblock_ids[there]
        for here, there in pairwise(rows)
    )


def _rules(route: DrivenRoute, recorded_size_m: tuple[float, float] | None) -> dict[str, str]:
    recorded = "unknown" if recorded_size_m is None else f"{recorded_size_m[0]:.2f} x {recorded_size_m[1]:.2f} m"
    return {
        "route": route.note,
        "goal": "the last pose of the recording",
        "scenario_type": "derived from motion by driving.importers.tagging, not annotated",
        "ego_size": f"recorded car {recorded}; nuPlan's files and scores take {PACIFICA.length_m} x"
        f" {PACIFICA.width_m} m at the same rear axle",
        "traffic_lights": "unknown, no rows",
    }


def heading_of(rotation: Float64[np.ndarray, "*shape 3 3"]) -> Float64[np.ndarray, "*shape"]:
    """Heading of a rotated body: the direction of its x axis in the plane."""
    return np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0])
