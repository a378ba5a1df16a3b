"""The devkit's subsampling of scenarios and its conditions on ego motion and route.

Source:
    nuPlan devkit, `nuplan_scenario_filter_utils.py`; the same scenarios are selected, in the same order.
"""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from driving.geometry import shifted_along_heading
from driving.nuplan.database import reading
from driving.nuplan.entries import ScenarioEntry, roadblock_numbers, scenario_window
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.logs import FrameRows, log_index, read_frames, read_mission
from driving.nuplan.maps import open_map
from driving.nuplan.selection_counts import ConditionCount, ConditionTally
from driving.scenario_types import UNKNOWN_SCENARIO_TYPE
from driving.vehicle import PACIFICA

ByType = dict[str, list[ScenarioEntry]]
"""Scenarios of each type; types in the order of first appearance."""

DEFAULT_SPEED_NOISE_MPS = 0.1
ROW_S = 0.05
"""Nominal time between frames of a log [s]."""


def apply_filter(by_type: ByType, chosen: ScenarioFilter) -> tuple[list[ScenarioEntry], tuple[ConditionCount, ...]]:
    """Apply all conditions that come after reading the tags.

    Returns:
        The remaining scenarios sorted by token, or shuffled; and how many each condition removed.
    """
    generator = random.Random(chosen.seed)  # noqa: S311
    tally = ConditionTally()
    for name, condition in _conditions(chosen, generator):
        before, by_type = _count(by_type), condition(by_type)
        tally.add(name, before, _count(by_type))
    entries = _flat(by_type)
    if chosen.shuffle:
        generator.shuffle(entries)
    return entries, tally.counts()


Condition = Callable[[ByType], ByType]


def _conditions(chosen: ScenarioFilter, generator: random.Random) -> list[tuple[str, Condition]]:
    """The conditions that are set, in the devkit's order."""
    sampler = generator if chosen.shuffle else None
    noise_mps = DEFAULT_SPEED_NOISE_MPS if chosen.speed_noise_tolerance is None else chosen.speed_noise_tolerance
    conditions: list[tuple[str, Condition]] = []
    if (count := chosen.num_scenarios_per_type) is not None:
        conditions.append(("num_scenarios_per_type", lambda found: limited_per_type(found, count, sampler)))
    if (limit := chosen.limit_total_scenarios) is not None:
        conditions.append(("limit_total_scenarios", lambda found: limited_in_total(found, limit, sampler)))
    if (gap_s := chosen.timestamp_threshold_s) is not None:
        conditions.append(
            ("timestamp_threshold_s", lambda found: {key: spaced_in_time(rows, gap_s) for key, rows in found.items()})
        )
    if (least_m := chosen.ego_displacement_minimum_m) is not None:
        conditions.append(("ego_displacement_minimum_m", _each(lambda entry: driven_m(entry) >= least_m)))
    if (start_mps := chosen.ego_start_speed_threshold) is not None:
        conditions.append(
            (
                "ego_start_speed_threshold",
                _each(lambda entry: speed_crossings(speeds_mps(entry), start_mps, noise_mps)[0]),
            )
        )
    if (stop_mps := chosen.ego_stop_speed_threshold) is not None:
        conditions.append(
            (
                "ego_stop_speed_threshold",
                _each(lambda entry: speed_crossings(speeds_mps(entry), stop_mps, noise_mps)[1]),
            )
        )
    if chosen.token_set_path is not None and (fraction := chosen.fraction_in_token_set_threshold) is not None:
        tokens = read_token_set(Path(chosen.token_set_path))
        conditions.append(
            ("fraction_in_token_set_threshold", _each(lambda entry: is_in_token_set(entry, tokens, fraction)))
        )
    if (radius_m := chosen.ego_route_radius) is not None:
        conditions.append(("ego_route_radius", _each(lambda entry: has_route_near(entry, radius_m))))
    return conditions


def _each(is_kept: Callable[[ScenarioEntry], bool]) -> Condition:
    return lambda found: {key: [entry for entry in rows if is_kept(entry)] for key, rows in found.items()}


def _count(by_type: ByType) -> int:
    return sum(len(entries) for entries in by_type.values())


def _flat(by_type: ByType) -> list[ScenarioEntry]:
    return sorted((entry for entries in by_type.values() for entry in entries), key=lambda entry: entry.token)


# -------------------------------------------------------------------------------- number of scenarios


def limited_per_type(by_type: ByType, count: int, sampler: random.Random | None) -> ByType:
    """At most `count` scenarios of each type: at equal steps, or sampled at random."""
    return {
        key: sampler.sample(entries, count) if sampler and count < len(entries) else _at_equal_steps(entries, count)
        for key, entries in by_type.items()
    }


def limited_in_total(by_type: ByType, limit: int | float, sampler: random.Random | None) -> ByType:
    """A number of scenarios, or a fraction of all. Untagged scenarios are dropped first."""
    total = _count(by_type)
    wanted = math.ceil(limit * total) if isinstance(limit, float) else limit
    surplus = total - wanted
    # A fraction samples even when it keeps all: with `shuffle` that changes the later random numbers.
    if total == 0 or surplus < 0 or (surplus == 0 and not isinstance(limit, float)):
        return by_type
    untagged = by_type.get(UNKNOWN_SCENARIO_TYPE, [])
    if surplus < len(untagged):
        return by_type | {UNKNOWN_SCENARIO_TYPE: _some(untagged, len(untagged) - surplus, sampler)}
    kept: ByType = {}
    tagged = _flat({key: entries for key, entries in by_type.items() if key != UNKNOWN_SCENARIO_TYPE})
    for entry in _some(tagged, wanted, sampler):
        kept.setdefault(entry.scenario_type, []).append(entry)
    return kept


def _some(entries: list[ScenarioEntry], count: int, sampler: random.Random | None) -> list[ScenarioEntry]:
    return sampler.sample(entries, count) if sampler else _at_equal_steps(entries, count)


def _at_equal_steps(entries: list[ScenarioEntry], count: int) -> list[ScenarioEntry]:
    return entries[:: max(len(entries) // count, 1)][:count]


def spaced_in_time(entries: Sequence[ScenarioEntry], gap_s: float) -> list[ScenarioEntry]:
    """Scenarios in time order, each at least `gap_s` after the previous selected one, over all logs."""
    kept: list[ScenarioEntry] = []
    earliest_s = -math.inf
    for entry in sorted(entries, key=lambda entry: entry.time_us):
        if entry.time_us * 1e-6 >= earliest_s:
            kept.append(entry)
            earliest_s = entry.time_us * 1e-6 + gap_s
    return kept


# -------------------------------------------------------------------------------- ego motion


def driven_m(entry: ScenarioEntry) -> float:
    """Length of the path of the ego's centre, from the second frame on as in the devkit."""
    poses = shifted_along_heading(_future(entry).ego.rear_axle_poses[0], PACIFICA.rear_axle_to_center_m)
    return float(np.hypot(*np.diff(poses[1:, :2], axis=0).T).sum())


def speeds_mps(entry: ScenarioEntry) -> Float64[np.ndarray, "frames"]:
    """Speed of the rear axle at each frame."""
    return _future(entry).ego.speed_mps[0]


def speed_crossings(
    speeds: Float64[np.ndarray, "frames"], threshold_mps: float, noise_mps: float
) -> tuple[bool, bool]:
    """Whether the speed rises above a threshold, and whether it falls to the threshold or below, by more than noise.

    Args:
        speeds: [m/s] in time order.
        threshold_mps: Above it the ego drives, at or below it stands.
        noise_mps: Smaller changes are ignored.

    Source:
        nuPlan devkit, `_check_for_speed_edge`: it follows the extremes since the last crossing.
    """
    rises = falls = False
    highest = lowest = float(speeds[0])
    for speed in speeds[1:].tolist():
        if speed > highest:
            highest = speed
            if highest > threshold_mps >= lowest and highest - lowest > noise_mps:
                rises, lowest = True, highest
        if speed < lowest:
            lowest = speed
            if highest > threshold_mps >= lowest and highest - lowest > noise_mps:
                falls, highest = True, lowest
    return rises, falls


def _future(entry: ScenarioEntry) -> FrameRows:
    """The first frame, followed by the devkit's samples over the scenario's duration."""
    if entry.is_single_frame:
        raise ValueError("expand_scenarios gives single frames without ego motion: remove one of the two conditions.")
    index = log_index(Path(entry.log_file))
    frames = scenario_window(index, entry).frames
    start_us, end_us = index.time_us[frames[[0, -1]]].tolist()
    duration_s = int((end_us * 1e-6 - start_us * 1e-6) * 1e6) / 1e6
    rows = frames[0] + np.array([0, *sampled_rows(duration_s)])
    with reading(index.path) as connection:
        return read_frames(connection, index, rows[rows < len(index.time_us)])


def sampled_rows(duration_s: float) -> list[int]:
    """Row offsets of the samples over a duration, 0.1 s apart.

    Source:
        nuPlan devkit, `sample_indices_with_time_horizon`.
    """
    samples = int(duration_s / 0.1)
    rows = int(duration_s / ROW_S) + 1
    if samples == 0:
        return []
    step = rows // samples
    return list(range(step, rows + 1, step))[:samples]


# -------------------------------------------------------------------------------- tokens and route


def read_token_set(path: Path) -> frozenset[str]:
    """A JSON list of frame tokens.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it holds anything else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No token set {path} (token_set_path of the filter).")
    try:
        tokens = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON ({error}); expected a list of tokens.") from error
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{path} must hold a JSON list of tokens.")
    return frozenset(tokens)


def is_in_token_set(entry: ScenarioEntry, tokens: frozenset[str], fraction: float) -> bool:
    """Whether more than a fraction of a scenario's frames is in the set; for 1, whether they equal the set."""
    index = log_index(Path(entry.log_file))
    with reading(index.path) as connection:
        frames = read_frames(connection, index, scenario_window(index, entry).frames)
    own = {token.hex() for token in frames.tokens}
    return own == tokens if fraction == 1 else len(own & tokens) / len(own) > fraction


def has_route_near(entry: ScenarioEntry, radius_m: float) -> bool:
    """Whether a lane of the route has at least three centerline points within a radius of the first pose.

    Source:
        nuPlan devkit, `_ego_has_route`; points between the first and the last one within the radius count as well.
    """
    index = log_index(Path(entry.log_file))
    window = scenario_window(index, entry)
    with reading(index.path) as connection:
        pose = read_frames(connection, index, window.frames[:1]).ego.rear_axle_poses[0, 0]
        mission = read_mission(connection, bytes.fromhex(entry.token))
    map_graph = open_map(Path(entry.maps_root), entry.map_name)
    for roadblock_id in roadblock_numbers(entry, mission.roadblock_ids):
        for row in map_graph.lane_rows_of_roadblock(roadblock_id):
            points = map_graph.lanes.centerlines[row]
            near = np.flatnonzero(((points - pose[:2]) ** 2).sum(axis=1) <= radius_m**2)
            if len(near) and near[-1] - near[0] >= 2:
                return True
    return False
