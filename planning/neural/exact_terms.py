"""Terms of a candidate's score that are computed exactly instead of being predicted by the network.

The network predicts all sub-scores of the teacher. Drivable area, off-route distance and comfort need no prediction,
since map, own history and tracked motion determine them. Time to collision is computed against agents that keep
their velocity and only adds violations. Each is one function here; a field of `StudentSettings` turns it off, for
ablations (`benchmarks/students.py --without TERM`).

A computed sub-score replaces the head's logit, so that the combination of heads stays the same; what has no head is a
penalty on the combined score.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from driving.ego import EgoMotion
from driving.geometry import poses_out_of_frame_of
from driving.names import unknown_name
from driving.observation import Observation
from driving.vehicle import PACIFICA
from planning.neural.route_distance import off_route_distance_m
from planning.neural.route_line import RouteContext
from planning.neural.tokens import IS_CONNECTOR, route_points
from planning.neural.ttc_check import ForecastArrays, violation_shares
from simulation.ego.box import EgoBox, ego_box
from simulation.ego.dynamics import HEADING, states_of
from simulation.metrics.nuplan.comfort import OPEN_STEPS, comfortable_motions
from simulation.metrics.pdm.road import DRIVABLE, OFF_ROAD, ON_ROUTE, ONCOMING, ClassifiedAreas, ego_areas

DRIVABLE_AREA, COMFORT, TIME_TO_COLLISION = "drivable_area", "comfort", "time_to_collision"
"""Heads with logits that exact terms replace."""
CERTAIN_LOGIT = 6.0
"""Logit of a computed sub-score of 1; -6 for 0."""
OFF_ROAD_TOLERANCE_M = 0.2
"""A corner may be this far off the road; nuPlan's metric allows 0.3 m."""
OFF_ROUTE_WEIGHT = 0.1
"""Penalty for a centre outside the lanes of the route at all instants: nuPlan counts no progress there."""
OFF_ROUTE_DISTANCE_WEIGHT = 0.4
"""Penalty per metre off the route in intersections. Slow candidates hardly differ in where they lead, and most of
those that brake go straight on: without the penalty, a student that brakes in a turn drifts out of its lane."""
TTC_PENALTY_WEIGHT = 1.0
"""Penalty for a violated time to collision at all instants, so that the shortest violation wins if all violate it."""
TTC_STEPS = 35
"""Steps of 0.1 s over which the time to collision is computed."""
HISTORY_STEPS = 16
"""Steps of the ego's history that the filters of comfort need, the present step included."""


@dataclass(frozen=True, kw_only=True)
class StudentSettings:
    """Parts of the student; an ablation turns them off."""

    drivable_area: bool = True
    off_route: bool = True
    comfort: bool = True
    time_to_collision: bool = True
    network: bool = True
    """Off: all heads are 0, but progress, which is the distance that a candidate covers."""

    @classmethod
    def without(cls, parts: Collection[str]) -> "StudentSettings":
        """Settings with some parts turned off.

        Args:
            parts: Names of fields; "all" stands for all exact terms and leaves the network.

        Raises:
            ValueError: When a name is unknown.
        """
        unknown = [name for name in parts if name not in (*PARTS, "all")]
        if unknown:
            raise ValueError(unknown_name("part of the student named", unknown[0], (*PARTS, "all")))
        off = {name for name in parts if name != "all"} | (set(EXACT_TERMS) if "all" in parts else set())
        return cls(**dict.fromkeys(off, False))

    def for_heads(self, heads: Collection[str]) -> "StudentSettings":
        """The settings for a network with some heads: a term without the head that it replaces is off."""
        has_area = DRIVABLE_AREA in heads
        has_refined = COMFORT in heads and TIME_TO_COLLISION in heads
        return replace(
            self,
            drivable_area=self.drivable_area and has_area,
            off_route=self.off_route and has_area,
            comfort=self.comfort and has_refined,
            time_to_collision=self.time_to_collision and has_refined,
        )


PARTS = tuple(field.name for field in fields(StudentSettings))
EXACT_TERMS = tuple(name for name in PARTS if name != "network")


def areas_under_ego(
    observations: Sequence[Observation],
    contexts: Sequence[RouteContext],
    tracked: Float64[np.ndarray, "observations candidates 8 10"],
) -> UInt8[np.ndarray, "observations candidates 8"]:
    """Flags `OFF_ROAD` and `ONCOMING` of each tracked pose: a corner off the road, the centre off the route's lanes.

    Road is what nuPlan's metric takes for it: lanes, roadblocks, car parks and whole intersections.
    """
    box = EgoBox(
        PACIFICA.length_m - 2.0 * OFF_ROAD_TOLERANCE_M,
        PACIFICA.width_m - 2.0 * OFF_ROAD_TOLERANCE_M,
        PACIFICA.rear_axle_to_center_m,
    )
    poses = np.stack(
        [
            poses_out_of_frame_of(tracked[row, ..., : HEADING + 1], observation.ego_now.rear_axle_pose)
            for row, observation in enumerate(observations)
        ]
    )
    # numpy finds the extremes of a row twenty times faster than those of a column.
    positions = np.ascontiguousarray(poses[..., :2].reshape(len(poses), -1, 2).swapaxes(1, 2))
    low, high = positions.min(axis=2) - PACIFICA.length_m, positions.max(axis=2) + PACIFICA.length_m
    maps = np.array([id(context.map) for context in contexts])
    areas = np.empty(tracked.shape[:3], dtype=np.uint8)
    for row, context in enumerate(contexts):
        # One raster for all observations on this map.
        near = maps == maps[row]
        raster = context.areas.raster(low[near].min(axis=0), high[near].max(axis=0))
        # Without `LANE`, the lanes under the corners are not counted, which nothing here needs.
        areas[row] = ego_areas(poses[row], ClassifiedAreas(raster, context.kinds & ON_ROUTE | DRIVABLE), box)
    return areas


def drivable_area(
    areas: UInt8[np.ndarray, "observations candidates 8"],
) -> Float64[np.ndarray, "observations candidates"]:
    """Logits of the drivable area: whether a corner of the ego box leaves the road.

    Off the road, the logit falls with the share of instants, so that the shortest excursion wins if all candidates
    leave the road.
    """
    off_road = ((areas & OFF_ROAD) > 0).mean(axis=2)
    return np.where(off_road == 0.0, CERTAIN_LOGIT, -0.5 * CERTAIN_LOGIT * (1.0 + off_road))


def off_route(
    areas: UInt8[np.ndarray, "observations candidates 8"],
    tracked: Float64[np.ndarray, "observations candidates 8 10"],
    route: Float32[np.ndarray, "observations points values"],
    route_mask: Bool[np.ndarray, "observations points"],
) -> Float64[np.ndarray, "observations candidates"]:
    """Penalty for leaving the route: share of instants outside its lanes, and distance to it in intersections."""
    off_lanes = ((areas & ONCOMING) > 0).mean(axis=2)
    distance_m = off_route_distance_m(
        tracked, route_points(route), route_mask.sum(axis=1), route[..., IS_CONNECTOR] > 0.0
    )
    return OFF_ROUTE_WEIGHT * off_lanes + OFF_ROUTE_DISTANCE_WEIGHT * distance_m


def comfort(
    histories: Sequence[Float64[np.ndarray, "_ 10"]], tracked: Float64[np.ndarray, "observations candidates 40 10"]
) -> Float64[np.ndarray, "observations candidates"]:
    """Logits of comfort: whether nuPlan's bounds hold from 1.5 s ago to the end of each candidate.

    The network does not see what the ego has just done.

    Args:
        histories: Result of `comfort_history` of each observation.
        tracked: Candidates of the same observations, every 0.1 s.
    """
    logits = np.empty(tracked.shape[:2])
    for row, history in enumerate(histories):
        repeated = np.broadcast_to(history, (tracked.shape[1], *history.shape))
        is_comfortable = comfortable_motions(np.concatenate([repeated, tracked[row]], axis=1), last=OPEN_STEPS)
        logits[row] = np.where(is_comfortable, CERTAIN_LOGIT, -CERTAIN_LOGIT)
    return logits


def comfort_history(ego: EgoMotion, iteration: int) -> Float64[np.ndarray, "steps 10"]:
    """States of the ego up to now, turned into its frame; before a drive began, it had none of its own.

    Args:
        ego: Up to now.
        iteration: Of the drive.
    """
    history = states_of(ego)[0, -min(HISTORY_STEPS, iteration + 1) :].copy()
    history[:, HEADING] -= history[-1, HEADING]
    return history


def time_to_collision(
    forecasts: ForecastArrays,
    tracked: Float64[np.ndarray, "queried candidates 40 10"],
    predicted: Float32[np.ndarray, "queried candidates"],
) -> tuple[Float32[np.ndarray, "queried candidates"], Float64[np.ndarray, "queried candidates"]]:
    """Logits of the time to collision, and a penalty for how long it is violated within the next 3.5 s.

    Later violations, and those of agents out of sight, are left to the network's prediction.

    Args:
        forecasts: Agents of the observations that are queried.
        tracked: Candidates of the same observations, every 0.1 s.
        predicted: Logits of the network.
    """
    violated = violation_shares(np.ascontiguousarray(tracked[:, :, :TTC_STEPS]), forecasts, ego_box())
    logits = np.where(violated > 0.0, np.minimum(predicted, np.float32(-CERTAIN_LOGIT)), predicted)
    return logits, TTC_PENALTY_WEIGHT * violated
