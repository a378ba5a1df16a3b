"""Simple ways to fill a map with agents: what a generator of scenes has to beat.

Each control is made from the snapshots of the training recordings, and is given the map, the ego and the number and
kinds of agents of a held-out scene. Agents that it places off the lanes count as errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentKind
from driving.geometry import (
    global_from_local,
    local_from_global,
    poses_in_frame_of,
    poses_out_of_frame_of,
    wrap_angle,
)
from driving.names import unknown_name
from simulation.geometry.lane_anchors import anchored_poses, lane_lengths
from simulation.realism.snapshots import FIELD_M, SceneSnapshot

RANDOM_SIZES_M = {
    AgentKind.VEHICLE: ((3.5, 6.0), (1.6, 2.2)),
    AgentKind.BICYCLE: ((1.5, 2.0), (0.5, 0.8)),
    AgentKind.PEDESTRIAN: ((0.4, 0.9), (0.4, 0.9)),
}
"""Ranges of length and width of random agents."""
RANDOM_SPEED_MPS = {AgentKind.VEHICLE: 15.0, AgentKind.BICYCLE: 6.0, AgentKind.PEDESTRIAN: 2.0}
"""Largest speed of random agents."""

Sampler = Callable[[SceneSnapshot, np.random.Generator], SceneSnapshot]
"""Makes a scene on the map and around the ego of a held-out scene."""
Control = Callable[[Sequence[SceneSnapshot]], Sampler]
"""Makes a sampler from training snapshots."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Agents:
    """Agents of a scene, ego excluded."""

    kinds: np.ndarray
    poses: np.ndarray
    sizes: np.ndarray
    speeds_mps: np.ndarray


def _with_agents(scene: SceneSnapshot, agents: _Agents) -> SceneSnapshot:
    """The ego of a scene among other agents, cut to the field."""
    ego = scene.take(np.zeros(1, dtype=np.int64))
    return replace(
        ego,
        kinds=np.concatenate([ego.kinds, agents.kinds]).astype(np.int8),
        poses=np.concatenate([ego.poses, agents.poses]),
        sizes=np.concatenate([ego.sizes, agents.sizes]),
        speeds_mps=np.concatenate([ego.speeds_mps, agents.speeds_mps]),
    ).in_field(max_from_lane_m=np.inf)


def random_control(training: Sequence[SceneSnapshot]) -> Sampler:
    """Vehicles and bicycles at random places on the centerlines, people anywhere; sizes and speeds are uniform."""

    def sample(scene: SceneSnapshot, rng: np.random.Generator) -> SceneSnapshot:
        kinds = scene.kinds[1:]
        poses = _anywhere(scene, rng, len(kinds))
        on_lane = np.flatnonzero(kinds != AgentKind.PEDESTRIAN)
        poses[on_lane] = _on_lanes(scene, rng, len(on_lane), poses[on_lane])
        sizes = np.zeros((len(kinds), 2))
        speeds = np.zeros(len(kinds))
        for kind, ranges in RANDOM_SIZES_M.items():
            rows = np.flatnonzero(kinds == kind)
            sizes[rows] = np.stack([rng.uniform(*limits, len(rows)) for limits in ranges], axis=-1)
            speeds[rows] = rng.uniform(0.0, RANDOM_SPEED_MPS[kind], len(rows))
        return _with_agents(scene, _Agents(kinds=kinds, poses=poses, sizes=sizes, speeds_mps=speeds))

    return sample


def _anywhere(scene: SceneSnapshot, rng: np.random.Generator, count: int) -> Float64[np.ndarray, "agents 3"]:
    local = rng.uniform(-FIELD_M / 2, FIELD_M / 2, (count, 2))
    headings = rng.uniform(-np.pi, np.pi, count)
    return np.column_stack([global_from_local(local, scene.poses[0]), headings])


def _on_lanes(
    scene: SceneSnapshot, rng: np.random.Generator, count: int, otherwise: Float64[np.ndarray, "agents 3"]
) -> Float64[np.ndarray, "agents 3"]:
    """Random poses on the centerlines in the field; `otherwise` where the field has none."""
    near = scene.map.lane_rows_near(scene.poses[0, :2], FIELD_M)
    rows = np.repeat(near, np.maximum(1, lane_lengths(scene.map)[near].astype(np.int64)))
    if not len(rows):
        return otherwise
    rows = rng.choice(rows, 50 * count)
    zeros = np.zeros(len(rows))
    poses = anchored_poses(scene.map, rows, rng.uniform(size=len(rows)) * lane_lengths(scene.map)[rows], zeros, zeros)
    local = np.abs(local_from_global(poses[:, :2], scene.poses[0]))
    inside = poses[(local <= FIELD_M / 2).all(axis=1)][:count]
    return np.concatenate([inside, otherwise[len(inside) :]])


def marginal_control(training: Sequence[SceneSnapshot]) -> Sampler:
    """Each attribute of each agent drawn on its own from the training agents of its kind.

    The attributes are x, y and heading relative to the ego, length, width, and speed.
    """
    values: dict[int, Float64[np.ndarray, "agents 6"]] = {}
    for kind in RANDOM_SIZES_M:
        parts = [_attributes(scene)[1:][scene.kinds[1:] == kind] for scene in training]
        values[int(kind)] = np.concatenate([np.zeros((0, 6)), *parts])

    def sample(scene: SceneSnapshot, rng: np.random.Generator) -> SceneSnapshot:
        kinds = np.array([kind for kind in scene.kinds[1:].tolist() if len(values[kind])], dtype=np.int8)
        drawn = np.zeros((len(kinds), 6))
        for row, kind in enumerate(kinds.tolist()):
            pool = values[kind]
            drawn[row] = pool[rng.integers(len(pool), size=6), np.arange(6)]
        poses = poses_out_of_frame_of(drawn[:, :3], scene.poses[0])
        return _with_agents(scene, _Agents(kinds=kinds, poses=poses, sizes=drawn[:, 3:5], speeds_mps=drawn[:, 5]))

    return sample


def _attributes(scene: SceneSnapshot) -> Float64[np.ndarray, "agents 6"]:
    local = poses_in_frame_of(scene.poses, scene.poses[0])
    return np.column_stack([local, scene.sizes, scene.speeds_mps])


def paste_control(training: Sequence[SceneSnapshot]) -> Sampler:
    """All agents of one training scene, at their places relative to the ego."""

    def sample(scene: SceneSnapshot, rng: np.random.Generator) -> SceneSnapshot:
        source = training[int(rng.integers(len(training)))]
        local = poses_in_frame_of(source.poses[1:], source.poses[0])
        poses = poses_out_of_frame_of(local, scene.poses[0])
        poses[:, 2] = np.asarray(wrap_angle(poses[:, 2]))
        return _with_agents(
            scene,
            _Agents(kinds=source.kinds[1:], poses=poses, sizes=source.sizes[1:], speeds_mps=source.speeds_mps[1:]),
        )

    return sample


CONTROLS: dict[str, Control] = {"random": random_control, "marginal": marginal_control, "paste": paste_control}
"""By name. Generators of scenes are added by the commands that may import them."""


def control_of(name: str, controls: Mapping[str, Control] = CONTROLS) -> Control:
    """The control of a name.

    Raises:
        KeyError: For an unknown name, with the nearest known one.
    """
    if name not in controls:
        raise KeyError(unknown_name("control", name, controls))
    return controls[name]


def sampled(sampler: Sampler, scenes: Sequence[SceneSnapshot], seed: int) -> list[SceneSnapshot]:
    """One generated scene for each held-out scene; scene i depends on the seed and i alone."""
    return [sampler(scene, np.random.default_rng([seed, row])) for row, scene in enumerate(scenes)]
