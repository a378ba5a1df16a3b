"""Networks of scenes as samplers of realism: they fill the map around the ego of a held-out scene."""

from collections.abc import Sequence

import numpy as np

from driving.agents import AgentKind
from driving.geometry import local_from_global
from simulation.generation.condition import MAX_COUNT, SceneCondition
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint, untrained
from simulation.generation.learned.drawing import canvas_for, draw_scene_with_counts
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.scales import NUM_POSES
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.window import SceneWindow, scene_window
from simulation.geometry.lane_anchors import lane_anchors
from simulation.realism.controls import Control, Sampler
from simulation.realism.snapshots import FIELD_M, SceneSnapshot


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


def control_of_checkpoint(checkpoint: Checkpoint, *, has_training_counts: bool = False) -> Control:
    """Scenes that a network draws.

    Args:
        checkpoint: The network.
        has_training_counts: Whether the numbers of agents around the ego are those of a training scene, drawn at
            random. Else the network decides, and the training scenes are ignored.
    """

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
            wanted = None
            if has_training_counts:
                wanted = counts_like(training[int(rng.integers(len(training)))], window)
            canvas = canvas_for(checkpoint.network, window, {}, wanted)
            drawn = draw_scene_with_counts(checkpoint.network, canvas, rng)
            # Parked vehicles beside the road are left out, as in the recorded scenes.
            return snapshot_of(Scene(window=window, agents=drawn.agents, ego=0)).in_field()

        return sample

    return control


def counts_like(scene: SceneSnapshot, window: SceneWindow) -> SceneCondition:
    """The numbers of agents with which the field around the ego of a window is filled as that of a scene.

    A recording shows fewer agents far from its sensors. The field's number per length of lane is taken for the whole
    window.

    Args:
        scene: Cut to the field.
        window: Around another ego.
    """
    pieces = lane_pieces(window.map)
    middles = pieces.poses[window.pieces, NUM_POSES // 2, :2]
    in_field = (np.abs(local_from_global(middles, window.center)) <= FIELD_M / 2).all(axis=1)
    factor = window.lane_m / float(pieces.length_m[window.pieces[in_field]].sum())
    # The ego is not counted.
    counts = np.bincount(scene.kinds[1:], minlength=len(AgentKind))
    vehicles, bicycles, pedestrians = (
        min(round(counts[kind] * factor), MAX_COUNT)
        for kind in (AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN)
    )
    return SceneCondition(vehicles=vehicles, bicycles=bicycles, pedestrians=pedestrians)
