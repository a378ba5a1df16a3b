"""Measuring of manoeuvres in tracks, map and lights: the agents that show a manoeuvre, since when, and from where.

The thresholds are those of the tags that list scenarios (`driving.importers.tagging`, the towns' tagging) and of
nuPlan's comfort bounds; those below are of our own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, LightStatus
from driving.geometry import wrap_angle
from driving.importers.tagging import STANDING_MPS, TURN_RAD
from simulation.generation.text.relative_agents import OPPOSITE_RAD, REACH_M, RelativeAgents
from simulation.generation.text.vocabulary import Manoeuvre, Relation
from simulation.generation.town.tagging import IN_LANE_M
from simulation.geometry.lane_anchors import lane_anchors
from simulation.metrics.rules import MIN_LONGITUDINAL_ACCEL_MPS2

NEVER = -1
BRAKING_MPS2, BRAKED_MPS = -0.8, 1.5
"""Acceleration at which braking begins, and loss of speed of an agent that brakes."""
MOVING_MPS = 1.0
BESIDE_M = 1.8
"""Smallest offset of an agent in a lane beside the ego's."""
LANE_M = 2.4
"""Smallest offset of an agent that has not yet changed, or has changed, from or to a neighbouring lane."""
WIDE_M = 6.0
"""Largest offset of an agent in the next lane."""
HALF_LANE_M = 1.75
"""Offset at which a crossing agent enters the ego's lane."""
SIDES_M = 1.5
"""Offsets on both sides that a crossing agent passes."""
CROSSING_SIN = 0.7
"""Smallest sine of the angle between a crossing agent and the lane."""
SIDE_RAD = 0.9
"""Smallest difference of headings of agents from the left or right arm of a junction."""
WALKING_MPS = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The agents that show a manoeuvre."""

    steps: Int64[np.ndarray, "agents"]
    """Frame at which the manoeuvre begins; `NEVER` for agents without it."""
    relations: list[tuple[Relation, ...]]
    """Places relative to the ego, or the side of origin, that hold for each agent."""

    @classmethod
    def of(
        cls, steps: Int64[np.ndarray, "agents"], relations: Callable[[int], tuple[Relation, ...]] | None = None
    ) -> "Found":
        """Evaluate the relations of the agents that show the manoeuvre."""
        rows = range(len(steps))
        return cls(
            steps=steps, relations=[relations(row) if relations and steps[row] != NEVER else () for row in rows]
        )


def first_steps(mask: Bool[np.ndarray, "agents time"]) -> Int64[np.ndarray, "agents"]:
    """The first frame of each row of a mask; `NEVER` for an empty row."""
    return np.where(mask.any(axis=1), mask.argmax(axis=1), NEVER).astype(np.int64)


def _always(rows: Bool[np.ndarray, "agents"]) -> Int64[np.ndarray, "agents"]:
    return np.where(rows, 0, NEVER).astype(np.int64)


def _side(left_m: float) -> tuple[Relation, ...]:
    return (Relation.LEFT,) if left_m > 0 else (Relation.RIGHT,)


def _ahead(row: int) -> tuple[Relation, ...]:
    return (Relation.AHEAD,)


# ---------------------------------------------------------------------- in the lane


def _brake(view: RelativeAgents, *, is_hard: bool) -> Found:
    """Loses speed while ahead in the lane; hard beyond nuPlan's comfort bound."""
    braking = view.is_ahead_in_lane() & (view.accelerations < BRAKING_MPS2) & (view.speeds > MOVING_MPS)
    steps = first_steps(braking)
    for row in np.flatnonzero(steps != NEVER).tolist():
        later = view.speeds[row, steps[row] :]
        strongest = np.nanmin(np.where(view.is_ahead_in_lane()[row], view.accelerations[row], np.nan))
        lost = view.speeds[row, steps[row]] - np.nanmin(later) > BRAKED_MPS
        if not lost or (strongest <= MIN_LONGITUDINAL_ACCEL_MPS2) != is_hard:
            steps[row] = NEVER
    return Found.of(steps, _ahead)


def _stop(view: RelativeAgents) -> Found:
    """Drives, then stands ahead in the lane."""
    moved = np.logical_or.accumulate(np.nan_to_num(view.speeds) > MOVING_MPS, axis=1)
    stands = moved & (view.speeds < STANDING_MPS) & view.is_ahead_in_lane()
    braking = view.is_ahead_in_lane() & (view.accelerations < BRAKING_MPS2) & (view.speeds > MOVING_MPS)
    return Found.of(np.where(stands.any(axis=1), first_steps(braking), NEVER), _ahead)


def _stand(view: RelativeAgents) -> Found:
    """At rest in the ego's lane from the start on."""
    reaches_m = view.sizes[:, 1:] / 2 + 0.5
    in_lane = (np.abs(view.left_m[:, :1]) < np.maximum(HALF_LANE_M, reaches_m)) & (view.ahead_m[:, :1] > 0)
    return Found.of(_always(view.is_at_rest & in_lane[:, 0]), _ahead)


def _park(view: RelativeAgents) -> Found:
    """A vehicle at rest beside the lanes."""
    rows = np.flatnonzero(view.is_at_rest & view.valid[:, 0])
    inside = np.zeros(len(view.valid), dtype=bool)
    inside[rows] = lane_anchors(view.scenario.map, view.poses[rows, 0]).is_inside
    lies_off = view.is_at_rest & view.valid[:, 0] & ~inside & (view.ahead_m[:, 0] > 0)
    kinds = np.isin(view.scenario.agents.kinds, (AgentKind.VEHICLE, AgentKind.BICYCLE))
    return Found.of(_always(lies_off & kinds), lambda row: (*_side(view.left_m[row, 0]), Relation.AHEAD))


def _follow(view: RelativeAgents) -> Found:
    """Behind in the lane at the start and 2 s later."""
    behind = view.is_in_lane & (view.ahead_m < 0) & (view.gap_m < REACH_M) & (view.speeds > STANDING_MPS)
    return Found.of(_always(behind[:, 0] & behind[:, 20]), lambda row: (Relation.BEHIND,))


def _drive(view: RelativeAgents) -> Found:
    """Moves along the road at the start, in or beside the ego's lane."""
    moving = (view.speeds > MOVING_MPS)[:, 0]
    ahead = view.is_ahead_in_lane()[:, 0]
    behind = _follow(view).steps == 0
    aside_m = np.abs(view.left_m[:, 0])
    beside = view.is_aligned[:, 0] & (aside_m > BESIDE_M) & (aside_m < WIDE_M) & (view.gap_m[:, 0] < 15.0)
    opposite = np.abs(wrap_angle(view.from_ego[:, 2])) > OPPOSITE_RAD
    oncoming = opposite & (view.from_ego[:, 0] > 0) & (np.abs(view.from_ego[:, 1]) < 20.0)

    def relations(row: int) -> tuple[Relation, ...]:
        if beside[row]:
            return (*_side(view.left_m[row, 0]), Relation.BESIDE)
        return (Relation.AHEAD if ahead[row] else Relation.BEHIND if behind[row] else Relation.ONCOMING,)

    return Found.of(_always(moving & (ahead | behind | beside | oncoming)), relations)


# ---------------------------------------------------------------------- between lanes


def _cut_in(view: RelativeAgents) -> Found:
    """From a lane beside the ego's into the ego's lane, ahead."""
    return _lane_change(view, is_inward=True, from_ramp=False)


def _merge(view: RelativeAgents) -> Found:
    """From another road into the ego's lane, ahead."""
    return _lane_change(view, is_inward=True, from_ramp=True)


def _cut_out(view: RelativeAgents) -> Found:
    """From the ego's lane, ahead, into a lane beside it."""
    found = _lane_change(view, is_inward=False, from_ramp=False)
    return Found.of(found.steps, _ahead)


def _lane_change(view: RelativeAgents, *, is_inward: bool, from_ramp: bool) -> Found:
    in_lane = view.is_ahead_in_lane() & (view.speeds > MOVING_MPS)
    aside = (np.abs(view.left_m) > LANE_M) & view.is_aligned & (view.speeds > MOVING_MPS)
    steps = np.full(len(in_lane), NEVER, dtype=np.int64)
    comes_from: dict[int, float] = {}
    for row in np.flatnonzero(in_lane.any(axis=1) & aside.any(axis=1)).tolist():
        before, after = (aside, in_lane) if is_inward else (in_lane, aside)
        start = int(np.argmax(before[row]))
        ends = np.flatnonzero(after[row]) if is_inward else np.flatnonzero(after[row] & (view.ahead_m[row] > 0))
        ends = ends[ends > start]
        if len(ends) and _changes_road(view, row, start) == from_ramp:
            steps[row] = _leaves(view.left_m[row], start, int(ends[0]))
            comes_from[row] = float(view.left_m[row, start] if is_inward else view.left_m[row, ends[0]])
    return Found.of(steps, lambda row: _side(comes_from[row]))


def _leaves(left_m: Float64[np.ndarray, "time"], start: int, end: int) -> int:
    """The last frame before a lane change ends at which the agent is still where it was before."""
    still = np.abs(left_m[start:end] - left_m[start]) < 0.3
    return start + int(np.flatnonzero(still)[-1])


def _changes_road(view: RelativeAgents, row: int, step: int) -> bool:
    """Whether an agent is on another road than the ego: its roadblock is not beside the ego's lane there."""
    lanes = view.scenario.map.lanes
    here = view.poses[row, step]
    along_m = view.ego_along[step, 0] + view.ahead_m[row, step]
    on_line = view.line.at(np.array([along_m]))
    own, ego = lane_anchors(view.scenario.map, np.concatenate([here[np.newaxis], on_line])).rows.tolist()
    return own >= 0 and ego >= 0 and int(lanes.roadblock_ids[own]) != int(lanes.roadblock_ids[ego])


def _overtake(view: RelativeAgents) -> Found:
    """From behind to ahead of the ego in a lane beside it, faster than the ego."""
    aside = (np.abs(view.left_m) > BESIDE_M) & (np.abs(view.left_m) < WIDE_M) & view.is_aligned
    behind, ahead = aside & (view.ahead_m < 0.0), aside & (view.ahead_m > 2.0)
    was_behind = np.logical_or.accumulate(behind, axis=1)
    steps = first_steps(was_behind & ahead & (view.speeds > MOVING_MPS))
    return Found.of(steps, lambda row: (*_side(view.left_m[row, steps[row]]), Relation.BEHIND, Relation.BESIDE))


def _wrong_lane(view: RelativeAgents) -> Found:
    """Comes towards the ego in the ego's lane."""
    mask = view.is_opposite & (np.abs(view.left_m) < IN_LANE_M) & (view.ahead_m > 0) & (view.speeds > MOVING_MPS)
    return Found.of(first_steps(mask), lambda row: (Relation.ONCOMING,))


# ---------------------------------------------------------------------- across


def _cross(view: RelativeAgents) -> Found:
    """Passes from one side of the ego's lane to the other, ahead of the ego."""
    steps = np.full(len(view.valid), NEVER, dtype=np.int64)
    comes_from: dict[int, float] = {}
    for row in range(len(view.valid)):
        left_m = view.left_m[row]
        across = np.abs(np.sin(view.turn_rad[row])) > CROSSING_SIN
        inside = (np.abs(left_m) < HALF_LANE_M) & across & (view.ahead_m[row] > 0) & (view.ahead_m[row] < REACH_M)
        if not inside.any():
            continue
        step = int(np.argmax(inside))
        before, after = left_m[:step], left_m[step:]
        for sign in (1.0, -1.0):
            if (sign * before > SIDES_M).any() and (sign * after < -SIDES_M).any():
                steps[row], comes_from[row] = step, sign
    return Found.of(steps, lambda row: _side(comes_from[row]))


def _turn(view: RelativeAgents, sign: float) -> Found:
    """Changes its heading as in the tags of turns, at a junction."""
    steps = np.full(len(view.valid), NEVER, dtype=np.int64)
    for row in range(len(view.valid)):
        observed = np.flatnonzero(view.valid[row])
        if len(observed) < 2:
            continue
        change = np.unwrap(view.poses[row, observed, 2])
        change = sign * (change - change[0])
        near = np.nanmin(np.hypot(*(view.poses[row, :, :2] - view.ego[:, :2]).T)) < REACH_M
        if change.max() > TURN_RAD and near and np.nanmax(view.speeds[row]) > MOVING_MPS:
            steps[row] = observed[int(np.argmax(change > TURN_RAD / 2))]
    return Found.of(steps, lambda row: _arm(view, row))


def _arm(view: RelativeAgents, row: int) -> tuple[Relation, ...]:
    """The arm of the junction that an agent comes from, by its first heading relative to the ego's."""
    first = int(np.argmax(view.valid[row]))
    apart = float(wrap_angle(view.poses[row, first, 2] - view.ego[0, 2]))
    if abs(apart) > OPPOSITE_RAD:
        return (Relation.ONCOMING,)
    if abs(apart) < SIDE_RAD:
        return (Relation.AHEAD,)
    return (Relation.LEFT,) if apart < 0 else (Relation.RIGHT,)


def _run_red(view: RelativeAgents) -> Found:
    """Enters a lane connector whose light is red."""
    scenario = view.scenario
    lanes, lights = scenario.map.lanes, scenario.traffic_lights
    steps = np.full(len(view.valid), NEVER, dtype=np.int64)
    for row in range(len(view.valid)):
        rows = lane_anchors(scenario.map, view.poses[row]).rows
        entered = (rows[1:] != rows[:-1]) & (rows[1:] >= lanes.num_lanes) & (rows[:-1] >= 0)
        for step in (np.flatnonzero(entered & (view.speeds[row, 1:] > MOVING_MPS)) + 1).tolist():
            red = lights.ids_showing(scenario.first_frame + step, LightStatus.RED)
            if int(lanes.ids[rows[step]]) in red and steps[row] == NEVER:
                steps[row] = step
    return Found.of(steps, lambda row: _arm(view, row))


# ---------------------------------------------------------------------- beside the road


def _off_road(view: RelativeAgents) -> Bool[np.ndarray, "agents time"]:
    """Whether an agent is on no lane, up to 15 m from the ego's lane."""
    inside = np.zeros(view.valid.shape, dtype=bool)
    near = view.valid & (np.abs(view.left_m) < 15.0)
    inside[near] = lane_anchors(view.scenario.map, view.poses[near]).is_inside
    return near & ~inside


def _wait(view: RelativeAgents) -> Found:
    """Stands beside the lanes, ahead of the ego at the start."""
    mask = view.is_at_rest & _off_road(view)[:, 0] & (view.ahead_m[:, 0] > 0)
    return Found.of(_always(mask), lambda row: _side(view.left_m[row, 0]))


def _walk(view: RelativeAgents) -> Found:
    """Walks beside the lanes, along the road."""
    along = np.abs(np.cos(view.turn_rad)) > CROSSING_SIN
    mask = _off_road(view) & along & (view.speeds > WALKING_MPS)
    rows = mask[:, 0] & (mask | ~view.valid).all(axis=1)
    return Found.of(_always(rows), lambda row: _side(view.left_m[row, 0]))


MEASURES: dict[Manoeuvre, Callable[[RelativeAgents], Found]] = {
    Manoeuvre.CROSS: _cross,
    Manoeuvre.BRAKE: lambda view: _brake(view, is_hard=False),
    Manoeuvre.BRAKE_HARD: lambda view: _brake(view, is_hard=True),
    Manoeuvre.STOP: _stop,
    Manoeuvre.STAND: _stand,
    Manoeuvre.PARK: _park,
    Manoeuvre.CUT_IN: _cut_in,
    Manoeuvre.CUT_OUT: _cut_out,
    Manoeuvre.OVERTAKE: _overtake,
    Manoeuvre.MERGE: _merge,
    Manoeuvre.TURN_LEFT: lambda view: _turn(view, 1.0),
    Manoeuvre.TURN_RIGHT: lambda view: _turn(view, -1.0),
    Manoeuvre.RUN_RED: _run_red,
    Manoeuvre.WRONG_LANE: _wrong_lane,
    Manoeuvre.FOLLOW: _follow,
    Manoeuvre.DRIVE: _drive,
    Manoeuvre.WAIT: _wait,
    Manoeuvre.WALK: _walk,
}
