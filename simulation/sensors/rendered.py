"""Rendered cameras in a rollout: images show where ego and agents are now.

    settings = CameraSettings(rig=NUPLAN_8.resized(sizes=(480, 270)), appearance="night", seed=3)
    rollout = Rollout(scenario, cameras=settings)
    frames = rollout.observation().cameras        # the newest frame of each camera; nothing is rendered yet
    image = frames.image(0)                       # rendered now

The same settings give the same bytes, in a drive and later from its log.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float64

from driving.cameras import CameraFrames, CameraImage, CameraRig
from driving.map import MapGraph
from driving.names import unknown_name
from driving.observation import Observation
from driving.rig_files import rig_from_json, rig_to_json
from driving.rigs import NUPLAN_8
from driving.scenario import HISTORY_STEPS, Scenario
from driving.timing import STEP_S
from simulation.ego.dynamics import HEADING, states_of
from simulation.rendering.appearance import (
    APPEARANCES,
    DAY,
    Appearance,
    appearance_from,
    appearance_in,
    appearance_of,
)
from simulation.rendering.faults import CameraFault, parse_fault, require_known_cameras
from simulation.rendering.snapshot import Snapshot, snapshot_of
from simulation.sensors.frames_on_demand import FramesOnDemand
from simulation.sensors.logged import observe
from simulation.traffic.tracks import TrackWindow, arrays_of_tracks

DEFAULT_SIZE = (480, 270)
"""Width and height of the default rig's images [px]."""
BY_SEED = "by_seed"
"""Name of an appearance that the seed decides."""
BY_SCENARIO = "by_scenario"
"""Name of the appearance that the metadata of the scenario hold; a clear day without it."""
NAMES = (*APPEARANCES, BY_SEED, BY_SCENARIO)
KEPT_RENDERERS = 4
"""Of a process; a renderer refers to its map and ground."""
KEPT_IMAGES = 64
"""Rendered images that a rollout keeps: those of the last steps."""


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """Cameras of a rollout, with all that determines their images besides the scenario."""

    rig: CameraRig = field(default_factory=lambda: NUPLAN_8.resized(sizes=DEFAULT_SIZE))
    """Cameras as they are mounted; z = 0 of the ego frame is the road."""
    calibration: CameraRig | None = None
    """Rig that planners get, where it differs from the true one: a shifted calibration."""
    appearance: str | Appearance = "day"
    """A name of `APPEARANCES`, `by_seed`, `by_scenario`, or an appearance."""
    seed: int = 0
    """Of buildings, trees, looks of agents, noise, and of the appearance if this is `by_seed`."""
    every_steps: int = 1
    """Steps of 0.1 s between two images of a camera."""
    faults: tuple[CameraFault, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.appearance, str) and self.appearance not in NAMES:
            raise ValueError(unknown_name("appearance named", self.appearance, NAMES))
        if self.every_steps < 1:
            raise ValueError(f"Cameras need at least 1 step between two images, got {self.every_steps}.")
        planner_rig = self.planner_rig
        if planner_rig.names != self.rig.names or not np.array_equal(planner_rig.image_sizes, self.rig.image_sizes):
            raise ValueError("The calibration must have the cameras and image sizes of the rig.")
        require_known_cameras(self.faults, self.rig.names)

    @property
    def planner_rig(self) -> CameraRig:
        """The rig that planners get."""
        return self.rig if self.calibration is None else self.calibration

    @property
    def resolved_appearance(self) -> Appearance:
        """The appearance behind its name."""
        if isinstance(self.appearance, Appearance):
            return self.appearance
        if self.appearance == BY_SCENARIO:
            raise ValueError("The appearance by_scenario needs a scenario: call for_scenario first.")
        return appearance_of(self.seed) if self.appearance == BY_SEED else APPEARANCES[self.appearance]

    def for_scenario(self, scenario: Scenario) -> "CameraSettings":
        """The settings with the appearance of a scenario, where they take it from there.

        Raises:
            ValueError: When the metadata of the scenario hold a wrong appearance.
        """
        if self.appearance != BY_SCENARIO:
            return self
        return replace(self, appearance=appearance_in(scenario.metadata) or DAY)

    def to_json(self) -> dict[str, Any]:
        """Content for the header of a log."""
        return {
            "rig": rig_to_json(self.rig),
            "calibration": None if self.calibration is None else rig_to_json(self.calibration),
            "appearance": self.appearance if isinstance(self.appearance, str) else asdict(self.appearance),
            "seed": self.seed,
            "every_steps": self.every_steps,
            "faults": [str(fault) for fault in self.faults],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "CameraSettings":
        """Settings from the header of a log.

        Raises:
            ValueError: When a part is wrong.
            KeyError: When a part is missing.
        """
        calibration, appearance = content["calibration"], content["appearance"]
        if isinstance(appearance, dict):
            appearance = appearance_from(appearance)
        return cls(
            rig=rig_from_json(content["rig"], "The log's rig"),
            calibration=None if calibration is None else rig_from_json(calibration, "The log's calibration"),
            appearance=appearance,
            seed=content["seed"],
            every_steps=content["every_steps"],
            faults=tuple(parse_fault(text) for text in content["faults"]),
        )


class RenderedSensors:
    """Simulated ego and agents, logged traffic lights, and rendered images, one of each camera."""

    def __init__(self, scenario: Scenario, settings: CameraSettings) -> None:
        """Render nothing yet.

        Args:
            scenario: With map and lights.
            settings: Of the cameras.
        """
        self._scenario, self._settings = scenario, settings
        self._drawn: RenderedImagesByFrame | None = None

    def observe(
        self, iteration: int, ego_states: Float64[np.ndarray, "1 time 10"], tracks: TrackWindow
    ) -> Observation:
        """As `LoggedSensors.observe`, with the newest frame of each camera."""
        drawn = self._drawn
        if drawn is None:
            drawn = self._drawn = RenderedImagesByFrame(
                self._scenario,
                self._settings,
                lambda frame: _snapshot(self._scenario, ego_states, tracks, frame),
            )
        frames = FramesOnDemand(lambda: drawn.newest(iteration, ego_states[0, :, : HEADING + 1]))
        return observe(self._scenario, iteration, ego_states, tracks, frames)


def logged_images(
    scenario: Scenario, settings: CameraSettings, kept_images: int = KEPT_IMAGES
) -> "RenderedImagesByFrame":
    """Rendered images of the recorded drive, for steps from `-scenario.first_frame` on.

    Args:
        scenario: The recorded drive.
        settings: Of the cameras.
        kept_images: Number of images that stay in memory.
    """
    states, tracks = (
        states_of(scenario.ego),
        TrackWindow(scenario.agents.track_ids, arrays_of_tracks(scenario.agents)),
    )
    return RenderedImagesByFrame(
        scenario, settings, lambda frame: _snapshot(scenario, states, tracks, frame), kept_images
    )


def _snapshot(
    scenario: Scenario, ego_states: Float64[np.ndarray, "1 time 10"], tracks: TrackWindow, frame: int
) -> Snapshot:
    return snapshot_of(
        ego_states[0, frame, : HEADING + 1].copy(),
        tracks.steps(max(0, frame + 1 - HISTORY_STEPS), frame + 1),
        scenario.traffic_lights.steps(frame, frame + 1),
        int(scenario.time_us[frame]),
    )


class RenderedImagesByFrame:
    """Images of one drive by camera and frame of the scenario; each is rendered once."""

    def __init__(
        self,
        scenario: Scenario,
        settings: CameraSettings,
        snapshot_at: Callable[[int], Snapshot],
        kept_images: int = KEPT_IMAGES,
    ) -> None:
        """Render nothing yet.

        Args:
            scenario: With the map.
            settings: Of the cameras.
            snapshot_at: Ego, agents and lights at a frame of the scenario.
            kept_images: Number of images that stay in memory.
        """
        self._kept_images = kept_images
        self._scenario, self._settings, self._snapshot_at = scenario, settings.for_scenario(scenario), snapshot_at
        self._kept: OrderedDict[tuple[int, int], CameraImage] = OrderedDict()
        self._cameras = np.arange(len(settings.rig.names))

    def newest(self, iteration: int, ego_poses: Float64[np.ndarray, "time 3"]) -> CameraFrames:
        """The newest frame of each camera at a step of the drive, in order of the rig.

        Args:
            iteration: The present step.
            ego_poses: Rear axle over the scenario's time axis, global.
        """
        captures = [self._capture(camera, iteration) for camera in self._cameras.tolist()]
        stamped = np.array([capture.stamped for capture in captures])
        return CameraFrames(
            rig=self._settings.planner_rig,
            cameras=self._cameras,
            time_us=self._scenario.time_us[stamped],
            global_from_ego=_global_from_ego(ego_poses[stamped]),
            source=_Source(self, tuple(captures)),
            is_logged=False,
        )

    def images(self, captures: Sequence["_Capture"]) -> list[CameraImage | None]:
        """Images of captures; those of one frame are rendered together."""
        wanted = [capture for capture in captures if capture.is_rendered and capture.key not in self._kept]
        for frame in sorted({capture.shown for capture in wanted}):
            cameras = tuple(sorted({capture.camera for capture in wanted if capture.shown == frame}))
            renderer = renderer_for(self._scenario.map, self._settings)
            rendered = renderer.render(self._snapshot_at(frame), cameras)
            for camera, image in zip(cameras, rendered.images, strict=True):
                self._kept[frame, camera] = image
        images = [self._image(capture) for capture in captures]
        while len(self._kept) > max(self._kept_images, len(captures)):
            self._kept.popitem(last=False)
        return images

    def visible_tracks(self, iteration: int) -> tuple[str, ...]:
        """Track ids of the agents that some camera shows at a step, whatever its faults."""
        # Imported when needed, as `renderer_for`: the renderer takes seconds to load.
        from simulation.rendering.visibility import visible_agents

        snapshot = self._snapshot_at(self._scenario.first_frame + iteration)
        rendered = renderer_for(self._scenario.map, self._settings).render(snapshot)
        shown = visible_agents(rendered.instances, snapshot.kinds)
        return tuple(snapshot.track_ids[row] for row in np.flatnonzero(shown))

    def _image(self, capture: "_Capture") -> CameraImage | None:
        if capture.is_rendered:
            return self._kept[capture.key].copy()
        width, height = self._settings.rig.image_sizes[capture.camera].tolist()
        if capture.fault == "black":
            return np.zeros((height, width, 3), dtype=np.uint8)
        return np.full((height, width, 3), np.nan, dtype=np.float32) if capture.fault == "nan" else None

    def _capture(self, camera: int, iteration: int) -> "_Capture":
        start, every = self._scenario.first_frame, self._settings.every_steps
        newest = start + iteration - iteration % every
        name = self._settings.rig.names[camera]
        for fault in self._settings.faults:
            if fault.camera == name and fault.is_active(STEP_S * iteration):
                if fault.kind == "late":
                    # A camera records before the drive starts, too.
                    late = max(newest - round(fault.delay_s / STEP_S), 0)
                    return _Capture(camera=camera, shown=late, stamped=late, fault="late")
                frozen = start + int(np.ceil(fault.start_s / STEP_S)) // every * every
                shown = frozen if fault.kind == "frozen" else newest
                return _Capture(camera=camera, shown=shown, stamped=newest, fault=fault.kind)
        return _Capture(camera=camera, shown=newest, stamped=newest)


@dataclass(frozen=True, kw_only=True)
class _Capture:
    camera: int
    shown: int
    """Frame of the scenario that the image shows."""
    stamped: int
    """Frame of its time stamp."""
    fault: str = ""

    @property
    def is_rendered(self) -> bool:
        return self.fault in ("", "late", "frozen")

    @property
    def key(self) -> tuple[int, int]:
        return self.shown, self.camera


@dataclass(frozen=True)
class _Source:
    """Images of one observation."""

    drawn: RenderedImagesByFrame
    captures: tuple[_Capture, ...]

    def images(self, frames: Sequence[int]) -> list[CameraImage | None]:
        return self.drawn.images([self.captures[frame] for frame in frames])


def _global_from_ego(poses: Float64[np.ndarray, "frames 3"]) -> Float64[np.ndarray, "frames 4 4"]:
    matrices = np.zeros((len(poses), 4, 4))
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    matrices[:, 0, 0] = matrices[:, 1, 1] = cos
    matrices[:, 0, 1], matrices[:, 1, 0] = -sin, sin
    matrices[:, :2, 3] = poses[:, :2]
    matrices[:, 2, 2] = matrices[:, 3, 3] = 1.0
    return matrices


def renderer_for(map_graph: MapGraph, settings: CameraSettings) -> Any:
    """The `CameraRenderer` of a map, rig, seed and appearance; the last ones are kept."""
    # Compiling takes seconds: planners that ask for no image must not wait for it.
    from simulation.rendering.kept_tables import RigKey

    return _renderer(map_graph, RigKey(settings.rig), settings.resolved_appearance, settings.seed)


@lru_cache(maxsize=KEPT_RENDERERS)
def _renderer(map_graph: MapGraph, key: Any, appearance: Appearance, seed: int) -> Any:
    from simulation.rendering.renderer import CameraRenderer

    return CameraRenderer(map_graph, key.rig, seed=seed, appearance=appearance)
