"""Training samples: images of logged states, rendered when they are needed, and their targets.

    samples = RenderedSamples(scenarios, SampleSettings(), PerceptionConfig())
    batch = samples.batch(np.array([0, 5]), np.random.default_rng(0))

Only states are stored. Ego pose, calibration, appearance and missing cameras vary from sample to sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int8, Int64, UInt8
from torch import Tensor

from driving.agents import AgentKind, AgentTracks, static_mask
from driving.cameras import CameraRig
from driving.geometry import poses_in_frame_of, poses_out_of_frame_of
from driving.rigs import NUSCENES_6
from driving.scenario import HISTORY_STEPS, Scenario
from driving.timing import STEP_S
from perception.contract import FUTURE_S, PerceptionInput, PerceptionTargets
from perception.heads import forward_cameras
from perception.images import fit_rig, network_images
from perception.lift import LiftTable, lift_table, stack_tables
from perception.network import PerceptionConfig
from perception.signal_targets import SignalTarget, SignalView, signal_target
from perception.targets import AgentStates, AgentTargets, agent_targets, road_targets
from perception.training import TrainingBatch
from simulation.rendering.appearance import APPEARANCES, Appearance, appearance_of
from simulation.rendering.ground import KEPT_SHEETS
from simulation.rendering.kept_tables import surroundings_of
from simulation.rendering.renderer import CameraRenderer, RenderedImages
from simulation.rendering.snapshot import snapshot_of
from simulation.rendering.visibility import visible_agents

FEATURE_STRIDE = 8
"""Of all backbones: image pixels per feature."""


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How states become images."""

    rig: CameraRig = field(default_factory=lambda: NUSCENES_6)
    """Fitted to the network's image size."""
    past_steps: tuple[int, ...] = (5,)
    """Steps of 0.1 s back to the past frames, from the oldest on."""
    drop_past: float = 0.25
    """Share of samples without past frames."""
    num_appearances: int = 24
    """Different appearances; 0: clear day only."""
    shift_sd_m: float = 0.5
    """Of the ego to the side."""
    turn_sd_rad: float = 0.05
    """Of the ego's heading."""
    rig_angle_sd_rad: float = 0.01
    """Of pitch and yaw of each camera. The network gets the true calibration: rigs differ from car to car."""
    rig_height_sd_m: float = 0.05
    num_rigs: int = 8
    """Different variations of the rig; 0: the rig itself."""
    drop_camera: float = 0.05
    """Probability that a camera is missing, independently for each."""
    seed: int = 0
    stride_steps: int = 5
    """Steps between two states of a scenario."""
    rare_repeats: int = 3
    """How often a state counts that has a bicycle or a static object near the ego."""
    rare_within_m: float = 30.0
    kept_sheets: int = 4000
    """Parts of the drawn ground that each process keeps, 1.3 MB each; drawing one takes as long as two samples."""


def validation_settings(settings: SampleSettings) -> SampleSettings:
    """The rig itself, the logged pose, all cameras."""
    return replace(
        settings,
        drop_past=0.0,
        shift_sd_m=0.0,
        turn_sd_rad=0.0,
        num_rigs=0,
        drop_camera=0.0,
        rare_repeats=1,
        seed=settings.seed + 1,
    )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One state as the network receives it, and its targets."""

    images: UInt8[np.ndarray, "frames cameras height width 3"]
    present: Bool[np.ndarray, "frames cameras"]
    then_from_now: Float64[np.ndarray, "frames 3"]
    age_s: Float64[np.ndarray, "frames"]
    rig: int
    """Index of the variation of the rig."""
    targets: PerceptionTargets
    """Without the batch axis."""
    states: AgentStates
    is_visible: Bool[np.ndarray, "agents"]


@dataclass(frozen=True, kw_only=True)
class _View:
    """Rendered frames of one state."""

    rig: int
    poses: Float64[np.ndarray, "frames 3"]
    """Global poses of the ego."""
    rendered: list[tuple[RenderedImages, Int8[np.ndarray, "agents"]]]
    """Images of each frame, and the kinds of the agents in it."""
    present: Bool[np.ndarray, "frames cameras"]

    @property
    def images(self) -> UInt8[np.ndarray, "frames cameras height width 3"]:
        """Of all cameras, missing ones included."""
        return np.stack([np.stack(each.images) for each, _ in self.rendered])


class RenderedSamples:
    """States of scenarios, every few steps, far enough from both ends of the log."""

    def __init__(self, scenarios: Sequence[Scenario], settings: SampleSettings, config: PerceptionConfig) -> None:
        """List the states; nothing is rendered.

        Raises:
            ValueError: When no scenario is long enough for a state.
        """
        self.scenarios, self.settings, self.config = scenarios, settings, config
        fitted = fit_rig(settings.rig, config.image_size).rig
        self.rigs = [fitted] + [
            fitted.with_noise(
                angle_sd_rad=settings.rig_angle_sd_rad, height_sd_m=settings.rig_height_sd_m, seed=settings.seed + row
            )
            for row in range(settings.num_rigs)
        ]
        names = sorted(APPEARANCES)
        self._appearances: list[Appearance] = [
            appearance_of(settings.seed * 1000 + row) for row in range(settings.num_appearances)
        ] or [APPEARANCES[names[0]]]
        last = round(max(FUTURE_S) / STEP_S)
        self._states = [
            (row, frame)
            for row, scenario in enumerate(scenarios)
            for frame in range(
                max(scenario.first_frame, *settings.past_steps, 0),
                len(scenario.time_us) - last,
                settings.stride_steps,
            )
            for _ in range(settings.rare_repeats if self._has_rare_agent(scenario, frame) else 1)
        ]
        if not self._states:
            raise ValueError(
                f"None of {len(scenarios)} scenarios has a state with {max(FUTURE_S):g} s after it. Use longer logs."
            )
        self._tables: dict[int, LiftTable] = {}

    def __len__(self) -> int:
        """Number of states; repeated ones count as often as they occur."""
        return len(self._states)

    def state(self, row: int) -> tuple[Scenario, int]:
        """Scenario and frame of a state."""
        number, frame = self._states[row]
        return self.scenarios[number], frame

    def _has_rare_agent(self, scenario: Scenario, frame: int) -> bool:
        agents = scenario.agents
        gaps = agents.poses[:, frame, :2] - scenario.ego.rear_axle_poses[0, frame, :2]
        # The pose of an agent that is not observed may be NaN, which compares as False.
        is_near = agents.valid[:, frame] & (np.hypot(gaps[:, 0], gaps[:, 1]) < self.settings.rare_within_m)
        return bool((is_near & (static_mask(agents.kinds) | (agents.kinds == AgentKind.BICYCLE))).any())

    def batch(self, rows: Int64[np.ndarray, "rows"], rng: np.random.Generator) -> TrainingBatch:
        """See `training.Samples`."""
        samples = [self.sample(row, rng) for row in rows.tolist()]
        return TrainingBatch(
            inputs=PerceptionInput(
                images=network_images(np.stack([sample.images for sample in samples])),
                present=torch.from_numpy(np.stack([sample.present for sample in samples])),
                then_from_now=torch.from_numpy(np.stack([sample.then_from_now for sample in samples])).float(),
                age_s=torch.from_numpy(np.stack([sample.age_s for sample in samples])).float(),
            ),
            table=stack_tables([self.table(sample.rig) for sample in samples]),
            targets=PerceptionTargets(
                *(torch.stack(values) for values in zip(*(sample.targets for sample in samples), strict=True))
            ),
        )

    def table(self, rig: int) -> LiftTable:
        """Geometry of a variation of the rig, made once."""
        if rig not in self._tables:
            config = self.config
            self._tables[rig] = lift_table(
                self.rigs[rig],
                config.feature_grid,
                FEATURE_STRIDE,
                config.points,
                with_splat=config.lift == "splat",
            )
        return self._tables[rig]

    def images(self, rows: Int64[np.ndarray, "rows"], rng: np.random.Generator) -> Float[Tensor, "images 3 H W"]:
        """Images of all frames and cameras of some states, as the network receives them, without targets.

        Args:
            rows: States.
            rng: As for `sample`. Missing cameras are left out.
        """
        KEPT_SHEETS.capacity = max(KEPT_SHEETS.capacity, self.settings.kept_sheets)
        views = [self._view(row, rng) for row in rows.tolist()]
        return network_images(np.concatenate([view.images[view.present] for view in views]))

    def sample(self, row: int, rng: np.random.Generator) -> Sample:
        """Render one state.

        Args:
            row: Of the states.
            rng: Decides pose, appearance, calibration and missing cameras.
        """
        scenario, frame = self.state(row)
        view = self._view(row, rng)
        now, (rendered, kinds) = view.poses[-1], view.rendered[-1]
        states = self._agents(scenario, frame, now)
        shown = tuple(
            image for image, is_present in zip(rendered.instances, view.present[-1], strict=True) if is_present
        )
        is_visible = visible_agents(shown, kinds)
        camera = int(forward_cameras(self.table(view.rig).rays, torch.from_numpy(view.present[-1:]))[0])
        signal = self._signal(scenario, frame, now, SignalView(self.rigs[view.rig], camera, FEATURE_STRIDE))
        targets = self._targets(scenario, now, agent_targets(self.config.grid, states, is_visible), signal)
        is_shown = view.present[..., np.newaxis, np.newaxis, np.newaxis]
        return Sample(
            images=np.where(is_shown, view.images, 0).astype(np.uint8),
            present=view.present,
            then_from_now=np.stack([poses_in_frame_of(now[np.newaxis], pose)[0] for pose in view.poses]),
            age_s=np.array((*self.settings.past_steps, 0)) * STEP_S,
            rig=view.rig,
            targets=targets,
            states=states,
            is_visible=is_visible,
        )

    def _view(self, row: int, rng: np.random.Generator) -> _View:
        """Render the frames of a state."""
        settings = self.settings
        scenario, frame = self.state(row)
        rig, renderer, offset = self._drawn(scenario, rng)
        steps = (*settings.past_steps, 0)
        poses = np.stack([self._shifted(scenario, frame - back, offset) for back in steps])
        rendered = [
            self._rendered(renderer, scenario, frame - back, pose) for back, pose in zip(steps, poses, strict=True)
        ]
        present = rng.random(len(settings.rig.names)) >= settings.drop_camera
        # One camera is left in any case.
        present[rng.integers(len(present))] = True
        present = np.tile(present, (len(steps), 1))
        if rng.random() < settings.drop_past:
            present[:-1] = False
        return _View(rig=rig, poses=poses, rendered=rendered, present=present)

    def signal_sample(
        self, row: int, rng: np.random.Generator
    ) -> tuple[UInt8[np.ndarray, "height width 3"], Float[Tensor, "1 P 3"], SignalTarget]:
        """Image and rays of the forward camera in one state, and the target of the signal head.

        Args:
            row: Of the states.
            rng: Decides pose, appearance and calibration.
        """
        scenario, frame = self.state(row)
        rig, renderer, offset = self._drawn(scenario, rng)
        rays, num_cameras = self.table(rig).rays, len(self.rigs[rig].names)
        camera = int(forward_cameras(rays, torch.ones(1, num_cameras, dtype=torch.bool))[0])
        pose = self._shifted(scenario, frame, offset)
        rendered, _ = self._rendered(renderer, scenario, frame, pose, (camera,))
        target = self._signal(scenario, frame, pose, SignalView(self.rigs[rig], camera, FEATURE_STRIDE))
        return rendered.images[0], rays.unflatten(1, (num_cameras, -1))[:, camera], target

    def _drawn(
        self, scenario: Scenario, rng: np.random.Generator
    ) -> tuple[int, CameraRenderer, Float64[np.ndarray, "3"]]:
        """A variation of the rig, a renderer with it, and an offset of the ego in its own frame."""
        settings = self.settings
        KEPT_SHEETS.capacity = max(KEPT_SHEETS.capacity, settings.kept_sheets)
        rig = int(rng.integers(len(self.rigs)))
        renderer = CameraRenderer(
            scenario.map,
            self.rigs[rig],
            # One set of buildings per map, and one ground with and one without lamps; the light differs.
            seed=settings.seed,
            appearance=self._appearances[int(rng.integers(len(self._appearances)))],
            has_shadows=False,
        )
        return rig, renderer, np.array([0.0, *rng.normal(size=2) * [settings.shift_sd_m, settings.turn_sd_rad]])

    def _signal(
        self, scenario: Scenario, frame: int, ego_pose: Float64[np.ndarray, "3"], view: SignalView
    ) -> SignalTarget:
        where = scenario.map, scenario.route, ego_pose
        surroundings = surroundings_of(scenario.map, self.settings.seed)
        return signal_target(where, scenario.traffic_lights.at(frame), surroundings, view)

    def _shifted(self, scenario: Scenario, frame: int, offset: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
        """The logged pose, moved by an offset in its own frame."""
        return poses_out_of_frame_of(offset[np.newaxis], scenario.ego.rear_axle_poses[0, frame])[0]

    @staticmethod
    def _rendered(
        renderer: CameraRenderer,
        scenario: Scenario,
        frame: int,
        pose: Float64[np.ndarray, "3"],
        cameras: tuple[int, ...] | None = None,
    ) -> tuple[RenderedImages, np.ndarray]:
        snapshot = snapshot_of(
            pose,
            _past(scenario, frame),
            scenario.traffic_lights.steps(frame, frame + 1),
            int(scenario.time_us[frame]),
        )
        return renderer.render(snapshot, cameras), snapshot.kinds

    @staticmethod
    def _agents(scenario: Scenario, frame: int, ego_pose: Float64[np.ndarray, "3"]) -> AgentStates:
        """Agents of the snapshot, in its order, now and later."""
        past, agents = _past(scenario, frame), scenario.agents
        row_of = {track: row for row, track in enumerate(agents.track_ids)}
        rows = np.array([row_of[past.track_ids[row]] for row in np.flatnonzero(past.valid[:, -1])], dtype=np.int64)
        instants = frame + np.rint(np.array(FUTURE_S) / STEP_S).astype(np.int64)
        future = np.where(agents.valid[rows][:, instants, np.newaxis], agents.poses[rows][:, instants], np.nan)
        cos, sin = np.cos(ego_pose[2]), np.sin(ego_pose[2])
        velocities = agents.velocities_mps[rows, frame] @ np.array([[cos, -sin], [sin, cos]])
        kinds = agents.kinds[rows]
        return AgentStates(
            kinds=kinds,
            poses=poses_in_frame_of(agents.poses[rows, frame], ego_pose),
            sizes_m=np.column_stack([agents.sizes[rows, frame], agents.heights_m[rows]]),
            velocities_mps=np.where(static_mask(kinds)[:, np.newaxis], 0.0, velocities),
            future_poses=np.stack([poses_in_frame_of(future[:, row], ego_pose) for row in range(len(instants))]),
        )

    def _targets(
        self,
        scenario: Scenario,
        ego_pose: Float64[np.ndarray, "3"],
        agents: AgentTargets,
        signal: SignalTarget,
    ) -> PerceptionTargets:
        road, direction = road_targets(scenario.map, ego_pose, self.config.grid)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in vars(agents).items()}
        return PerceptionTargets(
            **tensors,
            road=torch.from_numpy(road),
            direction=torch.from_numpy(direction),
            signal=torch.tensor(signal.state),
            signal_place=torch.tensor(signal.place),
            ground_seen=torch.ones(self.config.grid.shape, dtype=torch.bool),
        )


def _past(scenario: Scenario, frame: int) -> AgentTracks:
    return scenario.agents.steps(max(0, frame + 1 - HISTORY_STEPS), frame + 1)
