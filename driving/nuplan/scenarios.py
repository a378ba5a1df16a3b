"""Listing and opening nuPlan's scenarios."""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from driving.map import MapGraph
from driving.nuplan.cameras import read_cameras
from driving.nuplan.data import DataRoot
from driving.nuplan.database import reading
from driving.nuplan.entries import ScenarioEntry, roadblock_numbers, scenario_window, short_sentence
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.log_agents import check_boxes, read_agents, read_traffic_lights
from driving.nuplan.log_checks import check_log_tables
from driving.nuplan.logs import (
    log_index,
    log_name_of,
    read_about_track,
    read_frames,
    read_metadata,
    read_mission,
    read_tags,
)
from driving.nuplan.maps import open_map
from driving.nuplan.selection import ByType, apply_filter
from driving.nuplan.selection_counts import ConditionCount, ConditionTally, MissingNames, Selection
from driving.routing import build_route, route_gaps
from driving.scenario import Scenario
from driving.scenario_types import UNKNOWN_SCENARIO_TYPE

logger = logging.getLogger(__name__)

FIRST_VALID_SCENE, LAST_VALID_SCENE = 2, -2
"""The first two and the last two scenes of a log have no scenarios, so that every scenario has history and future."""


@dataclass(frozen=True, kw_only=True)
class ScenarioSummary:
    """Properties of a scenario in a listing, which need no map."""

    entry: ScenarioEntry
    frames: int
    expected_frames: int
    start_time_us: int
    goal_pose: tuple[float, float, float] | None
    roadblock_ids: tuple[str, ...]

    @property
    def is_short(self) -> bool:
        """Whether the log starts or ends within the scenario."""
        return self.frames < self.expected_frames


def open_scenario(entry: ScenarioEntry, allow_short: bool = False, with_cameras: bool = True) -> Scenario:
    """Read a scenario with its map, from up to 2.2 s before its first frame to up to 8 s after its last frame.

    Args:
        entry: From `list_scenarios`.
        allow_short: Also open scenarios that the log cuts off, with fewer frames, as the devkit does.
        with_cameras: Also read calibrations and image paths; the images may be absent.

    Raises:
        FileNotFoundError: When the log or the map is absent.
        OSError: When the log is locked.
        ValueError: When the scenario is cut off, or the log or map is damaged.
    """
    path = Path(entry.log_file)
    index = log_index(path)
    window = scenario_window(index, entry)
    if window.is_short and not allow_short:
        raise ValueError(short_sentence(entry, len(window.frames), window.expected_frames))
    map_graph = open_map(Path(entry.maps_root), entry.map_name)
    with reading(path) as connection:
        frames = read_frames(connection, index, window.rows)
        agents = read_agents(connection, index, frames)
        lights = read_traffic_lights(connection, index, frames)
        mission = read_mission(connection, bytes.fromhex(entry.token))
        about_track = read_about_track(connection, bytes.fromhex(entry.token), entry.scenario_type)
        metadata = read_metadata(connection)
        cameras = None
        if with_cameras:
            cameras = read_cameras(connection, path, entry.sensor_root, frames.time_us)
    first = len(window.history)
    goal = None if mission.goal_pose is None else np.array(mission.goal_pose)
    roadblock_ids = roadblock_numbers(entry, mission.roadblock_ids)
    _warn_of_route(entry, map_graph, roadblock_ids)
    return Scenario(
        scenario_id=entry.token,
        scenario_type=entry.scenario_type,
        log_name=entry.log_name,
        map=map_graph,
        route=build_route(map_graph, roadblock_ids, goal, frames.ego.rear_axle_poses[0, first]),
        time_us=frames.time_us,
        ego=frames.ego,
        agents=agents,
        traffic_lights=lights,
        first_frame=first,
        num_frames=len(window.frames),
        anchor_frame=int(np.argmin(np.abs(frames.time_us - entry.time_us))),
        cameras=cameras,
        # The tag may name an agent that is not observed around its frame.
        about_track=about_track if about_track in agents.track_ids else None,
        metadata={"source": f"nuPlan log {entry.log_name}", **metadata},
    )


def _warn_of_route(entry: ScenarioEntry, map_graph: MapGraph, roadblock_ids: tuple[int, ...]) -> None:
    unknown = [str(one) for one in roadblock_ids if not map_graph.has_roadblock(one)]
    gaps = [f"{here} to {there}" for here, there in route_gaps(map_graph, roadblock_ids)]
    place = f"{entry.log_file}: table `scene`, scenario {entry.token}"
    if unknown:
        logger.warning("%s: map %s lacks roadblocks %s of the route.", place, map_graph.name, ", ".join(unknown))
    elif gaps:
        logger.warning("%s: the route is not connected from %s.", place, ", ".join(gaps))


def summarize(entry: ScenarioEntry) -> ScenarioSummary:
    """Frames, start, goal and route of a scenario, without opening its map.

    Raises:
        FileNotFoundError: When the log is absent.
        OSError: When it is locked.
        ValueError: When it is damaged.
    """
    index = log_index(Path(entry.log_file))
    window = scenario_window(index, entry)
    with reading(Path(entry.log_file)) as connection:
        mission = read_mission(connection, bytes.fromhex(entry.token))
        frames = read_frames(connection, index, window.frames)
        check_boxes(connection, index, frames)
    return ScenarioSummary(
        entry=entry,
        frames=len(window.frames),
        expected_frames=window.expected_frames,
        start_time_us=int(frames.time_us[0]),
        goal_pose=mission.goal_pose,
        roadblock_ids=mission.roadblock_ids,
    )


def list_scenarios(data_root: DataRoot, scenario_filter: ScenarioFilter | None = None) -> list[ScenarioEntry]:
    """The scenarios that pass a filter, as `select_scenarios` finds them; a log that cannot be read is an error.

    Raises:
        OSError: When a log is locked.
        ValueError: When a log is damaged, or no scenario passes.
    """
    selection = select_scenarios(data_root, scenario_filter)
    for error in selection.log_errors:
        raise error
    selection.require_scenarios()
    return list(selection.entries)


def select_scenarios(data_root: DataRoot, scenario_filter: ScenarioFilter | None = None) -> Selection:
    """The scenarios of a data set that pass a filter, sorted by token (or shuffled), as the devkit lists them.

    A log that cannot be read is left out and reported in the result; so are requested names that the data lacks.

    Args:
        data_root: The data set.
        scenario_filter: Without it, the tagged scenarios of nuPlan's known types that have a goal.
    """
    chosen = scenario_filter or ScenarioFilter.tagged()
    names = [log_name_of(path) for path in data_root.log_files]
    log_files = [
        path
        for path, name in zip(data_root.log_files, names, strict=True)
        if chosen.log_names is None or name in chosen.log_names
    ]
    by_type: ByType = {}
    found, tally, errors = FoundNames(set(), set(), set()), ConditionTally(), []
    for log_file in log_files:
        try:
            entries = _entries_of_log(log_file, data_root, chosen, found, tally)
        except (OSError, ValueError) as error:
            errors.append(error)
            continue
        for entry in entries:
            by_type.setdefault(entry.scenario_type, []).append(entry)
    entries, later_counts = apply_filter(by_type, chosen)
    counts = (*tally.counts(), *later_counts)
    if chosen.log_names is not None:
        removed = len(names) - len(log_files)
        counts = (ConditionCount(condition="log_names", removed=removed, left=len(log_files), unit="logs"), *counts)
    # Without a filter all known types pass: none of them is requested.
    requested_types = None if scenario_filter is None else chosen.scenario_types
    place = "the data" if chosen.log_names is None else "the selected logs"
    return Selection(
        entries=tuple(entries),
        counts=counts,
        missing=(
            *MissingNames.of("log_names", chosen.log_names, names),
            *MissingNames.of("map_names", chosen.map_names, found.map_names, place),
            *MissingNames.of("scenario_types", requested_types, found.types, place),
            *MissingNames.of("scenario_tokens", chosen.scenario_tokens, found.tokens, place),
        ),
        log_errors=tuple(errors),
    )


class FoundNames(NamedTuple):
    """Names in the readable logs, whether or not a scenario with them passes the filter."""

    types: set[str]
    map_names: set[str]
    tokens: set[str]
    """Of those that the filter requests."""


def _entries_of_log(
    log_file: Path, data_root: DataRoot, chosen: ScenarioFilter, found: FoundNames, tally: ConditionTally
) -> list[ScenarioEntry]:
    check_log_tables(log_file)
    with reading(log_file) as connection:
        frames = _frames(connection, chosen, found)
        conditions = _frame_conditions(connection, chosen)
    for name, condition in conditions:
        before, frames = len(frames), [frame for frame in frames if condition(frame)]
        tally.add(name, before, len(frames))
    name = log_name_of(log_file)
    return [
        ScenarioEntry(
            token=frame.token.hex(),
            scenario_type=frame.scenario_type or UNKNOWN_SCENARIO_TYPE,
            log_name=name,
            map_name=frame.map_name,
            log_file=str(log_file),
            maps_root=str(data_root.maps_root),
            sensor_root=str(data_root.sensor_root),
            time_us=frame.time_us,
            is_single_frame=chosen.expand_scenarios,
        )
        for frame in frames
    ]


class _Frame(NamedTuple):
    token: bytes
    time_us: int
    map_name: str
    scene: bytes
    scenario_type: str | None
    """The alphabetically last one of several wanted tags on one frame."""


def _frames(connection: sqlite3.Connection, chosen: ScenarioFilter, found: FoundNames) -> list[_Frame]:
    """The frames of a log in time order; where types are chosen, only those that have a tag."""
    tags: dict[bytes, list[str]] = {}
    for token, scenario_type in read_tags(connection):
        tags.setdefault(token, []).append(scenario_type)
        found.types.add(scenario_type)
    rows = connection.execute(
        "SELECT lp.token, lp.timestamp, l.map_version, lp.scene_token FROM lidar_pc AS lp"
        " INNER JOIN lidar AS ld ON ld.token = lp.lidar_token INNER JOIN log AS l ON l.token = ld.log_token"
        " ORDER BY lp.timestamp ASC, lp.rowid ASC"
    )
    requested = {bytes.fromhex(token) for token in chosen.scenario_tokens or ()}
    wanted = None if chosen.scenario_types is None else frozenset(chosen.scenario_types)
    frames = []
    for token, time_us, map_name, scene in rows:
        found.map_names.add(map_name)
        if token in requested:
            found.tokens.add(token.hex())
        own = tags.get(token, [])
        if own or wanted is None:
            fitting = [tag for tag in own if wanted is None or tag in wanted]
            frames.append(_Frame(token, time_us, map_name, scene, max(fitting, default=None)))
    return frames


def _frame_conditions(
    connection: sqlite3.Connection, chosen: ScenarioFilter
) -> list[tuple[str, Callable[[_Frame], bool]]]:
    """The conditions that a single frame of a log must meet, by name."""
    conditions: list[tuple[str, Callable[[_Frame], bool]]] = []
    if chosen.scenario_types is not None:
        conditions.append(("scenario_types", lambda frame: frame.scenario_type is not None))
    if chosen.scenario_tokens is not None:
        tokens = {bytes.fromhex(token) for token in chosen.scenario_tokens}
        conditions.append(("scenario_tokens", lambda frame: frame.token in tokens))
    if (map_names := chosen.map_names) is not None:
        conditions.append(("map_names", lambda frame: frame.map_name in map_names))
    scenes = [row[0] for row in connection.execute("SELECT token FROM scene ORDER BY name ASC")]
    valid = set(scenes[FIRST_VALID_SCENE:LAST_VALID_SCENE])
    conditions.append(("valid scenes", lambda frame: frame.scene in valid))
    if chosen.remove_invalid_goals:
        query = "SELECT s.token FROM scene AS s INNER JOIN ego_pose AS ep ON ep.token = s.goal_ego_pose_token"
        goals = {row[0] for row in connection.execute(query)}
        conditions.append(("remove_invalid_goals", lambda frame: frame.scene in goals))
    return conditions
