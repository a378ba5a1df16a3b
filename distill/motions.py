"""Motions of 4 s for building vocabularies: logged ones, and generated ones of kinds that are rare in logs.

Logged motions are mostly fast and straight. A bicycle model generates slow, turning, shifting and stopping motions:
rare situations need them.
"""

import numpy as np
from jaxtyping import Float32

from distill.vocabulary_building import build_vocabulary
from driving.agents import AgentKind
from driving.geometry import poses_in_frame_of, shifted_along_heading
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary

MAX_CURVATURE_PM = 0.22
"""Tightest turn of the ego [1/m]: 4.5 m radius."""
MAX_LATERAL_ACCEL_MPS2 = 4.5
MAX_SPEED_MPS = 22.0
_STRIDE = 5
_NUM_GENERATED = 200_000
_MIN_SLOW_M, _MAX_SLOW_M = 1.5, 16.0
_MIN_SLOW_TURN_PM, _MAX_SLOW_TURN_RAD = 0.035, 1.8
_MIN_AGENT_LENGTH_M, _MAX_AGENT_LENGTH_M = 3.5, 7.0


def logged_motions(scenario: Scenario) -> Float32[np.ndarray, "motions 41 3"]:
    """Motions of the logged ego, one every half second, each in the frame of its first pose."""
    poses = scenario.ego.rear_axle_poses[0]
    starts = range(0, len(poses) - NUM_POSES + 1, _STRIDE)
    return _relative([poses[start : start + NUM_POSES] for start in starts])


def agent_motions(scenario: Scenario) -> Float32[np.ndarray, "motions 41 3"]:
    """Motions of logged vehicles at the position of the ego's rear axle, each in the frame of its first pose."""
    agents = scenario.agents
    lengths_m = np.nanmax(np.where(agents.valid, agents.sizes[..., 0], 0.0), axis=1, initial=0.0)
    is_car = (agents.kinds == AgentKind.VEHICLE) & (lengths_m > _MIN_AGENT_LENGTH_M)
    pieces = []
    for row in np.flatnonzero(is_car & (lengths_m < _MAX_AGENT_LENGTH_M)):
        rear = shifted_along_heading(agents.poses[row], -PACIFICA.rear_axle_to_center_m)
        for start in range(0, agents.num_steps - NUM_POSES + 1, 2 * _STRIDE):
            window = slice(start, start + NUM_POSES)
            if agents.valid[row, window].all():
                pieces.append(rear[window])
    motions = _relative(pieces)
    # Without jumps of the tracker and without reversing vehicles.
    steps_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1))
    turns = np.abs(np.diff(motions[..., 2], axis=1))
    sound = (steps_m.max(axis=1, initial=0.0) < MAX_SPEED_MPS * STEP_S) & (turns.max(axis=1, initial=0.0) < 0.15)
    return motions[sound & (motions[:, -1, 0] > -0.5)]


def generated_motions(count: int, seed: int = 0) -> Float32[np.ndarray, "motions 41 3"]:
    """Motions of a bicycle under smooth commands: cruising, slow, turning, shifting, stopping, starting."""
    rng = np.random.default_rng(seed)
    kinds = np.array_split(np.arange(count), 4)
    start_mps = rng.uniform(0.0, MAX_SPEED_MPS, count)
    accel = rng.uniform(-4.0, 2.4, (count, 2))
    curvature = rng.normal(0.0, 0.015, (count, 3))
    slow, turning, nudging, stopping = kinds
    start_mps[slow] = rng.uniform(0.0, 6.0, len(slow))
    accel[slow] = rng.uniform(-1.5, 1.5, (len(slow), 2))
    curvature[slow] = rng.normal(0.0, 0.08, (len(slow), 3))
    start_mps[turning] = rng.uniform(0.0, 11.0, len(turning))
    accel[turning] = rng.uniform(-2.0, 2.0, (len(turning), 2))
    curvature[turning] = rng.uniform(-MAX_CURVATURE_PM, MAX_CURVATURE_PM, (len(turning), 1)) * rng.uniform(
        0.0, 1.0, (len(turning), 3)
    )
    accel[nudging] = rng.uniform(-1.0, 1.0, (len(nudging), 1))
    curvature[nudging] = _swerves(rng, start_mps[nudging])
    accel[stopping, 0] = rng.uniform(-6.0, 0.0, len(stopping))
    accel[stopping, 1] = rng.uniform(-6.0, 0.5, len(stopping))
    return _driven(start_mps, accel, curvature)


def slow_turns(seed: int = 0) -> Float32[np.ndarray, "motions 41 3"]:
    """Generated motions at up to 4 m/s on average that turn by at least 2 degrees a metre, up to a right angle or so.

    Logs have few: cars brake before a turn and seldom creep through it.
    """
    motions = generated_motions(_NUM_GENERATED, seed)
    length_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1)).sum(axis=1)
    turn_rad = np.abs(motions[:, -1, 2])
    is_slow = (length_m > _MIN_SLOW_M) & (length_m < _MAX_SLOW_M)
    return motions[is_slow & (turn_rad > _MIN_SLOW_TURN_PM * length_m) & (turn_rad < _MAX_SLOW_TURN_RAD)]


def with_slow_turns(vocabulary: TrajectoryVocabulary, count: int, seed: int = 0) -> TrajectoryVocabulary:
    """The entries of a vocabulary and, behind them, `count` slow turns, chosen by k-means.

    Raises:
        ValueError: When `count` is below 1, or above the number of generated slow turns.
    """
    if count < 1:
        raise ValueError(f"A vocabulary is extended by at least one slow turn, got {count}.")
    # Other motions than those that the first entries were chosen from.
    added = build_vocabulary(slow_turns(seed + 1), count + 1, seed=seed).poses[1:]
    metadata = {**vocabulary.metadata, "slow_turns": count}
    return TrajectoryVocabulary(poses=np.concatenate([vocabulary.poses, added]), metadata=metadata)


def _swerves(rng: np.random.Generator, speed_mps: np.ndarray) -> np.ndarray:
    """Curvatures at 0, 2 and 4 s of a lateral shift by up to a lane."""
    aside_m = rng.uniform(-3.5, 3.5, len(speed_mps))
    way_m = np.maximum(speed_mps * 4.0, 6.0)
    peak = 6.0 * aside_m / way_m**2
    return np.stack([peak, np.zeros_like(peak), -peak], axis=-1) * rng.uniform(0.6, 1.4, (len(speed_mps), 3))


def _driven(start_mps: np.ndarray, accel: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Integrate accelerations (C, 2) at 0 and 4 s and curvatures (C, 3) at 0, 2 and 4 s."""
    poses = np.zeros((len(start_mps), NUM_POSES, 3))
    speed = start_mps.copy()
    for step in range(NUM_POSES - 1):
        share = step / (NUM_POSES - 1)
        push = accel[:, 0] * (1.0 - share) + accel[:, 1] * share
        first, weight = (0, 2.0 * share) if share < 0.5 else (1, 2.0 * share - 1.0)
        wanted = curvature[:, first] * (1.0 - weight) + curvature[:, first + 1] * weight
        most = np.minimum(MAX_CURVATURE_PM, MAX_LATERAL_ACCEL_MPS2 / np.maximum(speed, 1e-3) ** 2)
        way_m = speed * STEP_S
        middle = poses[:, step, 2] + 0.5 * way_m * np.clip(wanted, -most, most)
        poses[:, step + 1, 0] = poses[:, step, 0] + way_m * np.cos(middle)
        poses[:, step + 1, 1] = poses[:, step, 1] + way_m * np.sin(middle)
        poses[:, step + 1, 2] = poses[:, step, 2] + way_m * np.clip(wanted, -most, most)
        speed = np.clip(speed + push * STEP_S, 0.0, MAX_SPEED_MPS)
    return poses.astype(np.float32)


def _relative(pieces: list[np.ndarray]) -> np.ndarray:
    if not pieces:
        return np.zeros((0, NUM_POSES, 3), dtype=np.float32)
    return np.stack([poses_in_frame_of(piece, piece[0]) for piece in pieces]).astype(np.float32)
