"""Any planner on perceived input: agents and the governing signal from cameras, the map given.

    --planner perceived:pdm_closed
    --planner perceived:student --planner-arg checkpoint=checkpoints/eyes --planner-arg every_s=0.5

The wrapped planner receives an `Observation` with perceived agents instead of the true ones. Signals are known for
the connectors that follow the lane of the ego on its route only: the network predicts no others.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from driving.agents import LightStatus, TrafficLights
from driving.candidates import Candidates
from driving.map import MapGraph
from driving.observation import Observation
from driving.perceived import ROAD_LAYERS, Perceived, PerceivedRoad
from driving.planner import Planner, candidates_of
from driving.rigs import NUSCENES_6
from driving.route import Route
from driving.routing import connectors_ahead
from driving.trajectory import Trajectory
from perception.checkpoint import SHIPPED, Checkpoint
from perception.contract import ROAD_CLASSES
from perception.decoding import PerceivedGrid
from perception.images import fit_rig
from perception.network import PerceptionNetwork
from perception.perceiver import PerceivedScene, Perceiver, PerceiverSettings
from simulation.sensors.rendered import CameraSettings

ROAD_CELL_M = 1.0
"""Cells of the roads in logs; those of the network may be smaller."""
ROAD_LEVELS = 15
"""Steps between 0 and 1 of their probabilities, few so that logs stay small."""


class PerceivedPlanner:
    """A planner on agents and signals from a perception network."""

    def __init__(
        self, planner: Planner, network: PerceptionNetwork, *, every_s: float = 0.2, device: str = "cpu"
    ) -> None:
        """Wrap a planner.

        Args:
            planner: Receives perceived agents.
            network: Perceives them.
            every_s: Time between two runs of the network; the tracker predicts in between.
            device: Of the network.
        """
        self._planner = planner
        self._perceiver = Perceiver(network, PerceiverSettings(every_s=every_s), device)
        self._reports = PerceptionReports()
        self.camera_settings = CameraSettings(rig=fit_rig(NUSCENES_6, network.config.image_size).rig)
        self.name = f"perceived:{planner.name}"
        self.scene: PerceivedScene | None = None
        self._route: Route | None = None

    @classmethod
    def load(
        cls,
        make_planner: Callable[[], Planner],
        checkpoint: Path = SHIPPED,
        every_s: float = 0.2,
        device: str = "cpu",
    ) -> "PerceivedPlanner":
        """Wrap a planner with a stored network.

        Raises:
            FileNotFoundError: When the folder holds no network.
            ValueError: When the network has another format.
        """
        return cls(make_planner(), Checkpoint.load(checkpoint).network, every_s=every_s, device=device)

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Prepare for a new scenario."""
        self._planner.reset(map, route)
        self._perceiver.reset()
        self.scene = None
        self._route = route

    def plan(self, observation: Observation) -> Trajectory:
        """The plan of the wrapped planner on perceived agents and signals.

        Raises:
            ValueError: When the observation has no cameras.
        """
        return self._planner.plan(self.perceived(observation))

    def candidates(self) -> Sequence[Candidates | None]:
        """Those of the wrapped planner."""
        return candidates_of(self._planner, 1)

    def perceptions(self) -> Sequence[Perceived | None]:
        """What the last plan is based on."""
        return [self._reports.of(self.scene)]

    def perceived(self, observation: Observation) -> Observation:
        """The observation with perceived agents and signals, and without images.

        Raises:
            ValueError: When it has no cameras.
        """
        self.scene = self._perceiver.perceive(observation.required_cameras(self.name), observation.ego)
        return replace(
            observation,
            agents=self.scene.agents,
            traffic_lights=self._signals(observation, self.scene),
            cameras=None,
        )

    def _signals(self, observation: Observation, scene: PerceivedScene) -> TrafficLights:
        status = LightStatus.UNKNOWN if scene.signal is None else LightStatus(int(np.argmax(scene.signal)))
        pose = observation.ego_now.rear_axle_pose
        rows = connectors_ahead(observation.map, observation.route, pose)
        if status == LightStatus.UNKNOWN or not len(rows):
            return TrafficLights.none(1)
        ids = observation.map.lanes.ids[rows]
        return TrafficLights.from_dense(ids, np.full((len(ids), 1), status, dtype=np.int8))


class PerceptionReports:
    """Perceived scenes for the simulation log: the agents of the present step, and the road on a coarse grid."""

    def __init__(self) -> None:
        self._grid: PerceivedGrid | None = None
        self._road: PerceivedRoad | None = None

    def of(self, scene: PerceivedScene | None) -> Perceived | None:
        """The report of a scene; the road is made anew only when the network has run."""
        if scene is None:
            return None
        if scene.grid is not self._grid:
            self._grid = scene.grid
            self._road = None if scene.grid is None else _coarse_road(scene.grid, scene.ego_pose)
        steps = scene.agents.num_steps
        return Perceived(agents=scene.agents.steps(steps - 1, steps), road=self._road)


def _coarse_road(perceived: PerceivedGrid, ego_pose: Float64[np.ndarray, "3"]) -> PerceivedRoad:
    """The largest probability in each coarse cell: means would erase lines, which are narrower than a cell."""
    grid = perceived.grid
    factor = max(1, round(ROAD_CELL_M / grid.cell_m))
    num_x, num_y = (count // factor for count in grid.shape)
    fine = perceived.road[[ROAD_CLASSES.index(name) for name in ROAD_LAYERS], : num_x * factor, : num_y * factor]
    coarse = fine.reshape(len(ROAD_LAYERS), num_x, factor, num_y, factor).max(axis=(2, 4))
    return PerceivedRoad(
        ego_pose=ego_pose,
        x_min_m=grid.x_min_m,
        y_min_m=grid.y_min_m,
        cell_m=grid.cell_m * factor,
        probabilities=(np.rint(coarse * ROAD_LEVELS) * (255 // ROAD_LEVELS)).astype(np.uint8),
    )
