"""Scenes with one wrong vehicle, and scenes on a wrong map: what the likelihood of a scene network is tested with."""

from dataclasses import replace

import numpy as np

from driving.geometry import poses_in_frame_of, poses_out_of_frame_of
from simulation.generation.learned.data import scene_at
from simulation.generation.learned.scene import Boxes, Scene
from simulation.generation.learned.vocabulary import AgentClass

CORRUPTIONS = ("turned", "shifted", "faster", "larger", "overlapping")
"""Of one vehicle: turned by 60 to 180 degrees, 1 to 3 m aside, 10 to 20 m/s faster, 1.6 to 2.2 times as long and 1.3
to 1.6 times as wide, or moved onto its nearest neighbour."""
Pair = tuple[Scene, Scene]
"""A scene and its corrupted copy."""


def corrupted(scene: Scene, name: str, rng: np.random.Generator) -> Scene | None:
    """The scene with one vehicle changed; None when no vehicle is left that a scene can represent."""
    boxes = scene.agents.boxes(scene.window)
    is_other = np.arange(len(scene.agents)) != scene.ego
    candidates = np.flatnonzero((scene.agents.classes == AgentClass.VEHICLE) & is_other)
    if not len(candidates):
        return None
    row = int(rng.choice(candidates))
    poses, sizes, speeds = boxes.poses.copy(), boxes.sizes.copy(), boxes.speeds_mps.copy()
    sign = rng.choice([-1.0, 1.0])
    if name == "turned":
        poses[row, 2] += sign * np.deg2rad(rng.uniform(60.0, 180.0))
    elif name == "shifted":
        aside = sign * rng.uniform(1.0, 3.0)
        poses[row, :2] += aside * np.array([-np.sin(poses[row, 2]), np.cos(poses[row, 2])])
    elif name == "faster":
        speeds[row] += rng.uniform(10.0, 20.0)
    elif name == "larger":
        sizes[row] *= [rng.uniform(1.6, 2.2), rng.uniform(1.3, 1.6)]
    else:
        apart = np.hypot(*(poses[:, :2] - poses[row, :2]).T)
        apart[row] = np.inf
        poses[row, :2] = poses[int(np.argmin(apart)), :2] + rng.uniform(-1.0, 1.0, 2)
    changed = Boxes(poses, sizes, speeds, boxes.kinds)
    found = scene_at(scene.window.map, changed, scene.ego, scene.lights)
    return found if found is not None and len(found.agents) == len(scene.agents) else None


def with_shuffled_features(scene: Scene, seed: int) -> Scene:
    """The scene with the features of its pieces in another order; agents keep their places in their lanes."""
    features = scene.piece_features
    other = replace(scene)
    order = np.random.default_rng(seed).permutation(len(features))
    vars(other)["piece_features"] = features[order]
    return other


def on_other_map(pair: Pair, other: Scene) -> Pair | None:
    """Both scenes of a pair on the map of another scene, at the same places relative to the ego.

    None when an agent is so far from the lanes of that map that a scene cannot represent it: then the two sums would
    be over different agents.
    """
    moved = []
    for scene in pair:
        boxes = scene.agents.boxes(scene.window)
        local = poses_in_frame_of(boxes.poses, scene.window.center)
        poses = poses_out_of_frame_of(local, other.window.center)
        found = scene_at(other.window.map, boxes._replace(poses=poses), scene.ego, other.lights)
        if found is None:
            return None
        moved.append(found)
    return (moved[0], moved[1]) if len(moved[0].agents) == len(moved[1].agents) else None
