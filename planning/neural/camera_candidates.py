"""Candidates of the camera student: selection along the navigation line, geometry, and points to sample grids at."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from driving.navigation import NUM_BEHIND, SAMPLE_M
from driving.vehicle import PACIFICA
from planning.forecasting.constant_velocity import INSTANTS_S, constant_velocity
from planning.neural.camera_scene import SceneArrays
from planning.neural.candidate_features import (
    ARC_LENGTH,
    BEYOND_ROUTE,
    KINEMATIC_BLOCK,
    NUM_CANDIDATE_FEATURES,
    OFFSET,
    TRACKED_COLUMNS,
    CandidateGeometry,
    apart_from_ego,
    candidate_features,
)
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.tokens import POSITION_M
from planning.neural.ttc_check import ForecastArrays
from simulation.ego.box import ego_box
from simulation.ego.dynamics import ACCEL_X, HEADING, VELOCITY_X, X, Y
from simulation.ego.vocabulary_tracking import FittedVocabulary, drive_vocabulary

ACCELERATION = NUM_CANDIDATE_FEATURES
"""Column of the acceleration, which only this student receives, behind the features of the privileged one."""
ACCELERATION_MPS2 = 3.0
"""Its unit."""
KEPT_COLUMNS = np.array(
    [
        *range(OFFSET),
        ACCELERATION,
        *range(OFFSET, ARC_LENGTH + 1),
        BEYOND_ROUTE,
        *range(KINEMATIC_BLOCK, ACCELERATION),
    ]
)
"""Own motion, position on the line, agents at constant velocity."""
NUM_CANDIDATES = 224
"""Candidates of a state, in training and in use."""
_NUM_ROUTE_COLUMNS, _ARC = 12, 11
_GROWN_M = 0.5
AHEAD_S = 0.9
"""The point ahead of the ego is where its front will be after this time."""
CENTRE, CORNERS, GROWN_CORNERS, AHEAD = slice(0, 1), slice(1, 5), slice(5, 9), slice(9, 10)
NUM_POINTS = 10
"""Points of the footprint: centre, corners, corners moved 0.5 m to the side, front after 0.9 s."""


class CameraCandidates(NamedTuple):
    """A candidates of B states, as the network receives them."""

    candidates: Int64[np.ndarray, "states candidates"]
    """Rows of the vocabulary."""
    features: Float32[np.ndarray, "states candidates 8 features"]
    """`KEPT_COLUMNS`."""
    points: Float32[np.ndarray, "states candidates 8 points 2"]
    """Points of the footprints in the frame of the grids [m]."""
    headings: Float32[np.ndarray, "states candidates 8"]
    """Of the candidates in the frame of the grids."""
    rear_axle_m: Float64[np.ndarray, "states candidates 8 2"]
    """Positions of the candidates in the present ego frame."""


def select_candidates(selector: CandidateSelector, scenes: SceneArrays) -> Int64[np.ndarray, "states candidates"]:
    """Rows of the vocabulary that suit the speed and the navigation line."""
    route = scenes.route.astype(np.float32)
    route[..., :2] /= POSITION_M
    return selector.select(scenes.ego[:, VELOCITY_X], route, np.ones(route.shape[:2], dtype=bool))


def camera_candidates(
    fitted: FittedVocabulary, scenes: SceneArrays, candidates: Int64[np.ndarray, "states candidates"]
) -> CameraCandidates:
    """Track candidates from the present state of the ego and describe them."""
    tracked = drive_vocabulary(fitted, scenes.ego, candidates)
    geometry = _geometry(scenes, tracked)
    features = candidate_features(geometry, geometry.kinematic_m)
    accelerations = tracked[..., ACCEL_X : ACCEL_X + 1].astype(np.float32) / np.float32(ACCELERATION_MPS2)
    features = np.concatenate([features, accelerations], axis=-1)[..., KEPT_COLUMNS]
    points, headings = footprint_points(tracked, scenes.run_from_now)
    return CameraCandidates(candidates, features, points, headings, tracked[..., :2])


def forecasts_of_scenes(scenes: SceneArrays) -> ForecastArrays:
    """The perceived agents at constant velocity, for the check of the time to collision."""
    agents = scenes.agents.astype(np.float64)
    now = agents[..., :2]
    return ForecastArrays(
        now=now,
        ahead=constant_velocity(now, agents[..., 6:8]),
        boxes=agents[..., 2:6].copy(),
        mask=apart_from_ego(scenes.agents[..., :2], scenes.agents[..., 2:6], scenes.agents_mask, ego_box()),
    )


def footprint_points(
    tracked: Float64[np.ndarray, "states candidates 8 10"], run_from_now: Float64[np.ndarray, "states 3"]
) -> tuple[Float32[np.ndarray, "states candidates 8 10 2"], Float32[np.ndarray, "states candidates 8"]]:
    """Points of the footprints of tracked candidates, and their headings, in the frame of the grids.

    Args:
        tracked: In the frame of the ego now.
        run_from_now: Pose of the ego now in the frame of the grids.
    """
    half_length, half_width = 0.5 * PACIFICA.length_m, 0.5 * PACIFICA.width_m
    centre = PACIFICA.rear_axle_to_center_m
    front, rear = centre + half_length, centre - half_length
    along = np.array([centre, front, front, rear, rear, front, front, rear, rear, front])
    aside = np.array(
        [0.0, *(half_width * np.array([1, -1, 1, -1])), *((half_width + _GROWN_M) * np.array([1, -1, 1, -1])), 0.0]
    )
    moved = np.zeros((*tracked.shape[:3], NUM_POINTS))
    moved[...] = along
    moved[..., AHEAD] += AHEAD_S * tracked[..., VELOCITY_X, np.newaxis]
    pose = run_from_now[:, np.newaxis, np.newaxis]
    turn_cos, turn_sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    x, y, heading = tracked[..., X], tracked[..., Y], tracked[..., HEADING] + pose[..., 2]
    x, y = pose[..., 0] + turn_cos * x - turn_sin * y, pose[..., 1] + turn_sin * x + turn_cos * y
    cos, sin = np.cos(heading)[..., np.newaxis], np.sin(heading)[..., np.newaxis]
    points = np.stack(
        [x[..., np.newaxis] + cos * moved - sin * aside, y[..., np.newaxis] + sin * moved + cos * aside], -1
    )
    return points.astype(np.float32), heading.astype(np.float32)


def _geometry(scenes: SceneArrays, tracked: Float64[np.ndarray, "states candidates 8 10"]) -> CandidateGeometry:
    """Geometry as the privileged student has it, but without the road: only the line is given."""
    states, num_points = scenes.route.shape[:2]
    route = np.zeros((states, num_points, _NUM_ROUTE_COLUMNS), dtype=np.float32)
    route[..., :4] = scenes.route
    route[..., _ARC] = (np.arange(num_points) - NUM_BEHIND) * SAMPLE_M
    agents = scenes.agents
    kinematic_m = constant_velocity(agents[..., :2], agents[..., 6:8], INSTANTS_S.astype(np.float32))
    return CandidateGeometry(
        tracked=tracked[..., TRACKED_COLUMNS].astype(np.float32),
        route=route,
        route_counts=np.full(states, num_points),
        now_m=np.ascontiguousarray(agents[..., :2]),
        boxes=np.ascontiguousarray(agents[..., 2:6]),
        mask=apart_from_ego(scenes.agents[..., :2], scenes.agents[..., 2:6], scenes.agents_mask, ego_box()),
        kinematic_m=kinematic_m,
    )
