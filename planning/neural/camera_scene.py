"""What the camera student gets: ego motion, camera frames and a navigation line, and the arrays made of them.

`camera_input` is the only place where an `Observation` is read. Map, agents and traffic lights end there: nothing
behind it has a reference to them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped

from driving.agents import AgentKind
from driving.cameras import CameraFrames
from driving.ego import EgoMotion
from driving.geometry import local_from_global, poses_in_frame_of, wrap_angle
from driving.navigation import NavigationLine
from driving.observation import Observation
from perception.contract import NUM_SIGNAL_STATES
from perception.grid import BevGrid
from perception.network import PerceptionConfig, PerceptionNetwork
from perception.perceiver import PerceivedScene, Perceiver, PerceiverSettings
from simulation.ego.dynamics import state_array

MIN_X_M, MAX_ABS_Y_M = -8.0, 24.0
"""Cells farther behind or beside the ego are left out: hardly a candidate comes there within 4 s."""
GRID_CHANNELS = (
    "drivable",
    "lane_line",
    "crosswalk",
    "stop_line",
    "direction_cos",
    "direction_sin",
    "person",
    "vehicle",
    "vehicle_1s",
    "vehicle_2s",
    "vehicle_3s",
)
"""Channels of the perceived grids: probabilities, and the direction of the lanes."""
DRIVABLE, DIRECTION, PERSON, OCCUPANCY = 0, slice(4, 6), 6, slice(7, 11)
MAX_AGENTS = 32
AGENT_KINDS = (AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.BICYCLE)
AGENT_SIZE = 8 + len(AGENT_KINDS) + 1
"""x, y [m], cos, sin, length, width [m], velocity [m/s] along both axes; then the kind, one-hot, static objects
last."""


class CameraInput(NamedTuple):
    """All that the camera student may use of an observation."""

    ego: EgoMotion
    """Of this drive, up to now."""
    frames: CameraFrames
    navigation: NavigationLine


def camera_input(observation: Observation, navigation: NavigationLine, name: str = "The planner") -> CameraInput:
    """The part of an observation that the camera student may use.

    Args:
        observation: Now.
        navigation: Of the route.
        name: Of the planner, for the message.

    Raises:
        ValueError: When the observation has no cameras.
    """
    frames = observation.required_cameras(name)
    ego = observation.ego
    start = max(0, ego.num_steps - 1 - observation.iteration)
    return CameraInput(ego=ego.steps(start, ego.num_steps), frames=frames, navigation=navigation)


class CropWindow(NamedTuple):
    """The part of the perceived grids that is kept."""

    feature_grid: BevGrid
    """Cells of the features."""
    upsampling: int
    """Cells of the heads per cell of the features, along each axis."""
    x: slice
    y: slice
    """Of the features."""

    @classmethod
    def of(cls, config: PerceptionConfig) -> "CropWindow":
        """The window of a perception network."""
        grid = config.feature_grid
        xs, ys = grid.centres()[:, 0, 0], grid.centres()[0, :, 1]
        columns, rows = np.flatnonzero(xs > MIN_X_M), np.flatnonzero(np.abs(ys) < MAX_ABS_Y_M)
        half = 0.5 * grid.cell_m
        cropped = BevGrid(
            x_min_m=float(xs[columns[0]] - half),
            x_max_m=float(xs[columns[-1]] + half),
            y_min_m=float(ys[rows[0]] - half),
            y_max_m=float(ys[rows[-1]] + half),
            cell_m=grid.cell_m,
        )
        x, y = slice(int(columns[0]), int(columns[-1]) + 1), slice(int(rows[0]), int(rows[-1]) + 1)
        return cls(feature_grid=cropped, upsampling=config.upsampling, x=x, y=y)

    def features(self, bev: Float32[np.ndarray, "D x y"]) -> Float32[np.ndarray, "D u v"]:
        """Cut features."""
        return bev[:, self.x, self.y]

    def heads(self, values: Float32[np.ndarray, "N X Y"]) -> Float32[np.ndarray, "N U V"]:
        """Cut grids of the heads."""
        scale = self.upsampling
        x, y = (slice(each.start * scale, each.stop * scale) for each in (self.x, self.y))
        return values[:, x, y]


class SceneArrays(NamedTuple):
    """One instant as arrays; several instants stacked have a first axis more.

    Features and grids are those of the last run of the perception network, in the ego frame of that time. All else is
    in the present ego frame.
    """

    bev: Shaped[np.ndarray, "*states D u v"]
    """Features in cells of 1 m."""
    grids: Shaped[np.ndarray, "*states 11 U V"]
    """`GRID_CHANNELS` in cells of 0.5 m."""
    signal: Float32[np.ndarray, "*states 4"]
    """Probabilities of the states of the governing signal."""
    run_from_now: Float64[np.ndarray, "*states 3"]
    """Pose of the present ego in the frame of features and grids."""
    age_s: Float32[np.ndarray, "*states"]
    """Age of features and grids."""
    agents: Float32[np.ndarray, "*states agents values"]
    """Tracked agents, nearest first, see `AGENT_SIZE`."""
    agents_mask: Bool[np.ndarray, "*states agents"]
    route: Float64[np.ndarray, "*states points 4"]
    """x, y [m], cos, sin of the navigation line every 2 m."""
    ego: Float64[np.ndarray, "*states 10"]
    """In the columns of `simulation.ego.dynamics`."""


def stacked_scenes(scenes: list[SceneArrays]) -> SceneArrays:
    """Scenes with a first axis."""
    return SceneArrays(*(np.stack(values) for values in zip(*scenes, strict=True)))


class SceneBuilder:
    """Runs the perception network on camera input and collects the arrays of the student. One drive at a time."""

    def __init__(self, network: PerceptionNetwork, *, every_s: float = 0.4, device: str = "cpu") -> None:
        """Prepare.

        Args:
            network: Stays as it is.
            every_s: Time between two runs of the network.
            device: Of the network.
        """
        self.config = network.config
        self.window = CropWindow.of(network.config)
        self.perceived: PerceivedScene | None = None
        self._perceiver = Perceiver(network, PerceiverSettings(every_s=every_s), device)

    def reset(self) -> None:
        """Start another drive."""
        self._perceiver.reset()
        self.perceived = None

    def build(self, seen: CameraInput) -> SceneArrays:
        """The arrays of an instant; call it in the order of time."""
        scene = self.perceived = self._perceiver.perceive(seen.frames, seen.ego)
        ego = seen.ego.state(-1)
        pose = ego.rear_axle_pose
        bev, grids = self._grids(scene)
        is_blind = scene.grid is None
        age_s = 0.0 if is_blind else (int(seen.ego.time_us[-1]) - scene.image_time_us) / 1e6
        agents, mask = agent_rows(scene, pose)
        signal = np.eye(NUM_SIGNAL_STATES)[-1] if scene.signal is None else scene.signal
        return SceneArrays(
            bev=bev,
            grids=grids,
            signal=signal.astype(np.float32),
            run_from_now=np.zeros(3) if is_blind else poses_in_frame_of(pose, scene.ego_pose),
            age_s=np.array(age_s, dtype=np.float32),
            agents=agents,
            agents_mask=mask,
            route=seen.navigation.ahead(pose),
            ego=state_array(ego),
        )

    def _grids(self, scene: PerceivedScene) -> tuple[np.ndarray, np.ndarray]:
        """Features and grids of the last run; zeros before the first, which needs a camera that works."""
        window = self.window
        num_x, num_y = window.feature_grid.shape
        scale = window.upsampling
        if scene.grid is None or scene.bev is None:
            bev = np.zeros((self.config.bev_channels, num_x, num_y), dtype=np.float32)
            return bev, np.zeros((len(GRID_CHANNELS), scale * num_x, scale * num_y), dtype=np.float32)
        grid = scene.grid
        occupancy = grid.occupancy[::-1]
        joined = np.concatenate([grid.road, grid.direction, occupancy, grid.future])
        return window.features(scene.bev[0].float().cpu().numpy()), window.heads(joined)


def agent_rows(
    scene: PerceivedScene, ego_pose: Float64[np.ndarray, "3"]
) -> tuple[Float32[np.ndarray, "agents values"], Bool[np.ndarray, "agents"]]:
    """Tracked agents now, nearest first, and which rows hold one."""
    tracks = scene.agents
    rows, mask = np.zeros((MAX_AGENTS, AGENT_SIZE), dtype=np.float32), np.zeros(MAX_AGENTS, dtype=bool)
    valid = np.flatnonzero(tracks.valid[:, -1])
    local = local_from_global(tracks.poses[valid, -1, :2], ego_pose)
    nearest = np.argsort(np.hypot(local[:, 0], local[:, 1]), kind="stable")[:MAX_AGENTS]
    valid, local, count = valid[nearest], local[nearest], len(nearest)
    turned = wrap_angle(tracks.poses[valid, -1, 2] - ego_pose[2])
    mask[:count] = True
    rows[:count, :2] = local
    rows[:count, 2], rows[:count, 3] = np.cos(turned), np.sin(turned)
    rows[:count, 4:6] = tracks.sizes[valid, -1]
    rows[:count, 6:8] = local_from_global(tracks.velocities_mps[valid, -1], np.array([0.0, 0.0, ego_pose[2]]))
    kinds = tracks.kinds[valid]
    for column, kind in enumerate(AGENT_KINDS):
        rows[:count, 8 + column] = kinds == kind
    rows[:count, -1] = 1.0 - rows[:count, 8:-1].sum(axis=1)
    return rows, mask
