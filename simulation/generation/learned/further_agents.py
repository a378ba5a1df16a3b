"""Further agents of a scenario's first frame, drawn by the scene network beside all that are there (inpainting)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from driving.scenario import Scenario
from simulation.generation.condition import COUNTS, SceneCondition
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
from simulation.generation.learned.data import lights_at, scenario_boxes, scene_at
from simulation.generation.learned.drawing import canvas_for, draw_scene
from simulation.generation.learned.driving_side import left_hand_share
from simulation.generation.learned.facts import facts_of
from simulation.generation.learned.scene import Boxes, Scene
from simulation.generation.learned.threads import one_thread

FURTHER: Mapping[str, int] = {"vehicles": 5, "parked": 2, "bicycles": 2, "pedestrians": 3}
"""Agents of each of `COUNTS` that one draw adds at most: one draw costs nearly the same for any number."""


class FurtherAgents:
    """Draws agents with a scene network: the ego and all agents of the scenario are kept."""

    def __init__(self, checkpoint: Path | Checkpoint = SHIPPED) -> None:
        """Name the network, which is read at the first draw.

        Args:
            checkpoint: A scene network, or its folder.
        """
        self._checkpoint = checkpoint

    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Boxes:
        """Agents at iteration 0 that touch neither each other nor the agents of the scene.

        Args:
            scenario: The scene; the ego of its log is the ego.
            rng: Of all draws.

        Returns:
            Up to `FURTHER` agents: fewer where the network leaves all pieces before.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When the network cannot be used for the scenario.
        """
        if left_hand_share(scenario.map) > 0.5:
            raise ValueError("the map has left-hand traffic")
        boxes, frame = scenario_boxes(scenario, scenario.first_frame), scenario.first_frame
        scene = scene_at(scenario.map, boxes, len(boxes.kinds) - 1, lights_at(scenario, frame))
        if scene is None:
            raise ValueError("the ego is in no lane with 4 to 384 lane pieces around")
        with one_thread():
            return self._drawn(scene, rng)

    def _drawn(self, scene: Scene, rng: np.random.Generator) -> Boxes:
        if not isinstance(self._checkpoint, Checkpoint):
            self._checkpoint = Checkpoint.load(self._checkpoint)
        network, facts = self._checkpoint.network, facts_of(scene)
        counts = {name: getattr(facts, name) + FURTHER[name] for name in COUNTS}
        canvas = canvas_for(network, scene.window, scene.lights, SceneCondition(**counts))
        ego = scene.agents.take(np.array([scene.ego]))
        drawn = draw_scene(network, replace(canvas, given=scene.others, ego=ego), rng)
        return drawn.agents.take(np.arange(1 + drawn.num_given, len(drawn.agents))).boxes(scene.window)
