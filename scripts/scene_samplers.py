"""Networks of scenes as samplers of realism: they fill the map around the ego of a held-out scene."""

from collections.abc import Sequence

import numpy as np

from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint, untrained
from simulation.generation.learned.drawing import canvas_for, draw_scene
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.window import scene_window
from simulation.geometry.lane_anchors import lane_anchors
from simulation.realism.controls import Control, Sampler
from simulation.realism.snapshots import SceneSnapshot


def learned_control() -> Control:
    """The network that comes with the package; it ignores the training scenes."""
    return control_of_checkpoint(Checkpoint.load(SHIPPED))


def untrained_control() -> Control:
    """The same network with random weights."""
    shipped = Checkpoint.load(SHIPPED)
    return control_of_checkpoint(untrained(shipped.levels, config=shipped.network.config))


def snapshot_of(scene: Scene) -> SceneSnapshot:
    """The scene with the ego in row 0."""
    order = np.concatenate([[scene.ego], np.delete(np.arange(len(scene.agents)), scene.ego)])
    boxes = scene.agents.take(order).boxes(scene.window)
    return SceneSnapshot(
        map=scene.window.map,
        source=scene.window.map.name,
        kinds=boxes.kinds,
        poses=boxes.poses,
        sizes=boxes.sizes,
        speeds_mps=boxes.speeds_mps,
    )


def control_of_checkpoint(checkpoint: Checkpoint) -> Control:
    """Scenes that a network draws; it ignores the training scenes."""

    def control(training: Sequence[SceneSnapshot]) -> Sampler:
        def sample(scene: SceneSnapshot, rng: np.random.Generator) -> SceneSnapshot:
            anchor = lane_anchors(scene.map, scene.poses[:1])
            if not anchor.has_lane[0]:
                return scene.take(np.zeros(1, dtype=np.int64))
            try:
                window = scene_window(scene.map, int(anchor.rows[0]), float(anchor.along_m[0]))
            except ValueError:
                # A map with too few lanes around stays empty: what the network cannot fill counts as a difference.
                return scene.take(np.zeros(1, dtype=np.int64))
            drawn = draw_scene(checkpoint.network, canvas_for(checkpoint.network, window, {}), rng)
            # Parked vehicles beside the road are left out, as in the recorded scenes.
            return snapshot_of(Scene(window=window, agents=drawn.agents, ego=0)).in_field()

        return sample

    return control
