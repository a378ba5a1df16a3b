"""From camera frames to what a planner needs: tracked agents, grids, and the state of the signal.

The network runs at its own rate; between its runs the tracker predicts. A faulty camera is left out and reported.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from driving.agents import AgentTracks
from driving.cameras import CameraFrames, CameraImage, CameraRig
from driving.ego import EgoMotion
from driving.geometry import poses_in_frame_of
from perception.contract import PerceptionOutput
from perception.decoding import Detections, PerceivedGrid, decode_boxes, decode_grid
from perception.folding import for_inference
from perception.images import BadImageError, FittedRig, fit_rig, network_images
from perception.lift import LiftTable
from perception.network import PerceptionNetwork
from perception.temporal import warped
from perception.tracking import Tracker, TrackerSettings

MAX_AGE_S = 1.0
"""Older images are not used."""
MAX_LAG_S = 0.35
"""Images that are older than the newest image of the rig by more are not used."""
BLACK_BELOW = 10
"""An image without a brighter value is black."""
FROZEN_AFTER_M = 0.3
"""An unchanged image counts as frozen when the ego has moved by more; two images of a standing ego may be equal."""
PAST_AGE_S = 0.5
"""Age of the past features that are fused, as in training."""
PAST_RANGE_S = (0.2, 1.2)


class CameraHealth(StrEnum):
    """State of a camera at one instant; only a seen camera is used."""

    SEEN = "seen"
    MISSING = "missing"
    OLD = "old"
    """The newest image is too old, or much older than those of the other cameras."""
    BLACK = "black"
    FROZEN = "frozen"
    UNREADABLE = "unreadable"
    """NaN pixels, another size, grey, 16-bit, or a file that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class PerceiverSettings:
    """Rate and thresholds."""

    every_s: float = 0.2
    """Time between two runs of the network."""
    min_score: float = 0.15
    tracker: TrackerSettings = field(default_factory=TrackerSettings)


@dataclass(frozen=True, kw_only=True)
class PerceivedScene:
    """What the cameras show, at the present time of the ego."""

    agents: AgentTracks
    """At the times of the ego's history, tracked and predicted to the present."""
    detections: Detections
    """Of the last run, in the ego frame of `ego_pose`; empty before the first."""
    grid: PerceivedGrid | None
    """Of the last run; None before the first."""
    signal: Float64[np.ndarray, "4"] | None
    """Probabilities of the states of the signal that governs the ego's lane, in the order of `LightStatus`."""
    bev: Float[Tensor, "1 D x y"] | None
    """Features of the last run."""
    ego_pose: Float64[np.ndarray, "3"]
    """Global pose of the rear axle at the last run."""
    image_time_us: int
    """Time of the images of the last run; -1 before the first."""
    health: dict[str, CameraHealth]
    """By name of camera, as of the last run."""
    notes: tuple[str, ...]
    """One sentence per camera that was left out."""


@dataclass(frozen=True)
class _Memory:
    time_us: int
    ego_pose: Float64[np.ndarray, "3"]
    features: Float[Tensor, "1 D x y"]


@dataclass(frozen=True)
class _Look:
    """Newest images of the cameras, as the network receives them."""

    time_us: int
    ego_pose: Float64[np.ndarray, "3"]
    images: UInt8[np.ndarray, "cameras height width 3"]
    present: Bool[np.ndarray, "cameras"]


class Perceiver:
    """Perception of one drive; call `perceive` in the order of time."""

    def __init__(
        self, network: PerceptionNetwork, settings: PerceiverSettings | None = None, device: str = "cpu"
    ) -> None:
        self.network = for_inference(network, device)
        self.settings, self.device = settings or PerceiverSettings(), device
        self._fitted: FittedRig | None = None
        self._table: LiftTable | None = None
        self.reset()

    def reset(self) -> None:
        """Start another drive."""
        self.tracker = Tracker(self.settings.tracker)
        self._memories: list[_Memory] = []
        self._last_images: dict[int, tuple[UInt8[np.ndarray, "height width 3"], Float64[np.ndarray, 3]]] = {}
        self._last_run_us: int | None = None
        self._output: PerceptionOutput | None = None
        self._detections = Detections.none()
        self._grid: PerceivedGrid | None = None
        self._ego_pose, self._image_time_us = np.zeros(3), -1
        self._health: dict[str, CameraHealth] = {}
        self._notes: tuple[str, ...] = ()

    def perceive(self, frames: CameraFrames, ego: EgoMotion) -> PerceivedScene:
        """Take in the newest images, when the last run is old enough, and report.

        Args:
            frames: Images up to now; their rig may change between calls, for example by a new calibration.
            ego: Its history up to now.
        """
        now_us = int(ego.time_us[-1])
        if self._last_run_us is None or (now_us - self._last_run_us) / 1e6 > self.settings.every_s - 1e-3:
            self._last_run_us = now_us
            self._fit(frames.rig)
            look = self._newest_images(frames, now_us)
            if look.present.any() and look.time_us > self._image_time_us:
                self._run(look)
        signal = None
        if self._output is not None:
            signal = torch.softmax(self._output.signal[0].double(), dim=0).cpu().numpy()
        return PerceivedScene(
            agents=self.tracker.agent_tracks(ego.time_us),
            detections=self._detections,
            grid=self._grid,
            signal=signal,
            bev=self._output.bev if self._output is not None else None,
            ego_pose=self._ego_pose,
            image_time_us=self._image_time_us,
            health=dict(self._health),
            notes=self._notes,
        )

    def _fit(self, rig: CameraRig) -> None:
        if self._fitted is None or self._fitted.source is not rig:
            self._fitted = fit_rig(rig, self.network.config.image_size)
            self._table = self.network.table(self._fitted.rig).to(self.device)

    def _newest_images(self, frames: CameraFrames, now_us: int) -> _Look:
        """Check the newest image of each camera."""
        assert self._fitted is not None
        rig = frames.rig
        known = np.flatnonzero(frames.time_us <= now_us)
        newest = {int(frames.cameras[frame]): int(frame) for frame in known}
        rows = list(newest.values())
        time_us = int(frames.time_us[rows].max()) if rows else -1
        ego_pose = (
            _planar(frames.global_from_ego[rows[int(np.argmax(frames.time_us[rows]))]]) if rows else np.zeros(3)
        )
        limit_us = max(now_us - MAX_AGE_S * 1e6, time_us - MAX_LAG_S * 1e6)
        recent = {camera: frame for camera, frame in newest.items() if frames.time_us[frame] >= limit_us}
        images = _read(frames, recent)
        width, height = self._fitted.rig.image_sizes[0].tolist()
        prepared = np.zeros((len(rig.names), height, width, 3), dtype=np.uint8)
        health, notes = {}, []
        for camera, name in enumerate(rig.names):
            image = images.get(camera)
            if camera in newest and camera not in recent:
                age_s = (now_us - int(frames.time_us[newest[camera]])) / 1e6
                health[name] = CameraHealth.OLD
                notes.append(f"Camera {name} is left out: its newest image is {age_s:.1f} s old.")
            elif isinstance(image, ValueError):
                health[name] = CameraHealth.UNREADABLE
                notes.append(str(image))
            elif image is None:
                health[name] = CameraHealth.MISSING
                notes.append(f"Camera {name} is left out: it delivered no image.")
            else:
                health[name], note, fitted = self._checked(camera, image, ego_pose)
                notes += [note] if note else []
                if health[name] == CameraHealth.SEEN:
                    prepared[camera] = fitted
        self._health, self._notes = health, tuple(notes)
        present = np.array([health[name] == CameraHealth.SEEN for name in rig.names])
        return _Look(time_us, ego_pose, prepared, present)

    def _checked(
        self, camera: int, image: CameraImage, ego_pose: Float64[np.ndarray, "3"]
    ) -> tuple[CameraHealth, str, UInt8[np.ndarray, "height width 3"] | None]:
        assert self._fitted is not None
        name = self._fitted.source.names[camera]
        try:
            fitted = self._fitted.image(camera, image)
        except BadImageError as error:
            return CameraHealth.UNREADABLE, str(error), None
        if fitted.max() < BLACK_BELOW:
            return CameraHealth.BLACK, f"Camera {name} is left out: its image is black.", None
        before = self._last_images.get(camera)
        if before is not None and before[0].shape == fitted.shape and np.array_equal(before[0], fitted):
            # The pose stays that of the first of the equal images.
            if np.linalg.norm(ego_pose[:2] - before[1][:2]) > FROZEN_AFTER_M:
                return CameraHealth.FROZEN, f"Camera {name} is left out: its image does not change.", None
        else:
            self._last_images[camera] = (fitted, ego_pose)
        return CameraHealth.SEEN, "", fitted

    @torch.inference_mode()
    def _run(self, look: _Look) -> None:
        assert self._table is not None
        network, grid = self.network, self.network.config.feature_grid
        present = torch.from_numpy(look.present)[None].to(self.device)
        images = network_images(look.images, self.device)[None]
        memory = network.bev_features(network.image_features(images), self._table, present)
        fused = memory
        past = self._past(look.time_us)
        if past is not None:
            motion = torch.from_numpy(poses_in_frame_of(look.ego_pose, past.ego_pose)).float()[None].to(self.device)
            moved, covered = warped(past.features, motion, grid)
            age_s = torch.full((1, 1), (look.time_us - past.time_us) / 1e6, device=self.device)
            used = torch.ones(1, 1, dtype=torch.bool, device=self.device)
            fused = network.temporal(memory, moved[:, None], covered[:, None], age_s, used)
        self._output = network.predict(images, memory, fused, self._table, present)
        oldest_us = look.time_us - PAST_RANGE_S[1] * 1e6
        self._memories = [one for one in self._memories if one.time_us >= oldest_us]
        self._memories.append(_Memory(look.time_us, look.ego_pose, memory))
        (self._detections,) = decode_boxes(self._output, network.config.grid, self.settings.min_score)
        self._grid = decode_grid(self._output, network.config.grid)
        self._ego_pose, self._image_time_us = look.ego_pose, look.time_us
        self.tracker.update(self._detections, look.ego_pose, look.time_us)

    def _past(self, time_us: int) -> _Memory | None:
        """The stored features whose age is closest to that of the training."""
        ages_s = [(time_us - memory.time_us) / 1e6 for memory in self._memories]
        usable = [
            (abs(age_s - PAST_AGE_S), memory)
            for age_s, memory in zip(ages_s, self._memories, strict=True)
            if PAST_RANGE_S[0] - 1e-6 <= age_s <= PAST_RANGE_S[1]
        ]
        return min(usable, key=lambda pair: pair[0])[1] if usable else None


def _read(frames: CameraFrames, wanted: dict[int, int]) -> dict[int, CameraImage | ValueError | None]:
    """Images by camera; an error instead of an image that cannot be read."""
    rows = list(wanted.values())
    try:
        return dict(zip(wanted, frames.images(rows), strict=True))
    except ValueError:
        found: dict[int, CameraImage | ValueError | None] = {}
        for camera, row in wanted.items():
            try:
                found[camera] = frames.images([row])[0]
            except ValueError as error:
                found[camera] = error
        return found


def _planar(global_from_ego: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3"]:
    heading = np.arctan2(global_from_ego[1, 0], global_from_ego[0, 0])
    return np.array([global_from_ego[0, 3], global_from_ego[1, 3], heading])
