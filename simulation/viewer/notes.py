"""Notes about scenarios: finds their files, and encodes them with the sampled traffic for the page."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind, static_mask
from driving.geometry import shifted_along_heading
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.log import SimulationLog
from simulation.scenario_notes import SUFFIX, ScenarioNotes
from simulation.viewer.messages import origin_near
from simulation.viewer.packing import CENTIMETRE, MILLIRADIAN, Message

logger = logging.getLogger(__name__)

MAX_SAMPLES = 32
"""Further samples of traffic are not sent to the page."""
SAMPLE_EVERY = 2
"""Of the steps of a sample, every second one is sent; the page interpolates."""
MIN_DRIVEN_M = 0.5
"""Agents of samples that move less are left out: they are where the drive shows them."""


class NotesFolders:
    """The notes of a source; the first folder that has notes of a scenario gives them.

    A file is read again only after it has changed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self._known: dict[Path, tuple[tuple[int, int], ScenarioNotes | None]] = {}

    def of(self, scenario: str) -> ScenarioNotes | None:
        """The notes of a scenario; None without readable notes."""
        path = self._path(scenario)
        return None if path is None else self._read(path)

    def all(self) -> list[ScenarioNotes]:
        """All readable notes, ordered by scenario."""
        found: dict[str, ScenarioNotes] = {}
        for folder in self.folders:
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                notes = self._read(path)
                if notes is not None:
                    found.setdefault(notes.scenario_id, notes)
        return [found[scenario] for scenario in sorted(found)]

    def samples(self, notes: ScenarioNotes) -> tuple[list[SimulationLog], list[str]]:
        """Simulation logs of sampled traffic, and a sentence for each that is missing or damaged."""
        path = self._path(notes.scenario_id)
        logs, problems = [], []
        for name in notes.samples[:MAX_SAMPLES] if path else ():
            assert path is not None
            try:
                logs.append(SimulationLog.load(path.parent / name))
            except (OSError, ValueError) as error:
                problems.append(str(error))
        return logs, problems

    def _path(self, scenario: str) -> Path | None:
        paths = (folder / f"{scenario}{SUFFIX}" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def _read(self, path: Path) -> ScenarioNotes | None:
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if path not in self._known or self._known[path][0] != stamp:
                self._known[path] = (stamp, None)
                self._known[path] = (stamp, ScenarioNotes.load(path))
            return self._known[path][1]
        except (OSError, ValueError) as error:
            logger.warning("%s", error)
            return None


def notes_message(notes: ScenarioNotes, samples: Sequence[SimulationLog], problems: Sequence[str]) -> bytes:
    """The notes of a scenario with its sampled traffic.

    Args:
        notes: Of the scenario.
        samples: Simulation logs of the scenario under sampled traffic.
        problems: A sentence for each sample that could not be read.
    """
    origin = _origin(notes, samples)
    message = Message(
        scenario=notes.scenario_id,
        origin=origin.tolist(),
        mode=notes.mode,
        planner=notes.planner,
        failure=notes.failure,
        failure_s=notes.failure_s,
        is_solvable=notes.is_solvable,
        seed=notes.seed,
        track=notes.track_id,
        surprise_s=notes.surprise_visible_s,
        latest_start_s=notes.latest_start_s,
        rarity=dict(notes.rarity),
        num_samples=len(samples),
        problems=list(problems),
    )
    _add_motion(message, "unchanged", notes.unchanged, origin, ahead_m=0.0)
    # The page draws the ego at its box centre.
    _add_motion(message, "way_out", notes.way_out, origin, ahead_m=PACIFICA.rear_axle_to_center_m)
    _add_samples(message, samples, origin)
    return message.to_bytes()


def _origin(notes: ScenarioNotes, samples: Sequence[SimulationLog]) -> Float64[np.ndarray, "2"]:
    poses = [motion.poses[0] for motion in (notes.way_out, notes.unchanged) if motion is not None]
    poses += [log.ego.rear_axle_poses[0, 0] for log in samples[:1]]
    return origin_near(poses[0]) if poses else np.zeros(2)


def _add_motion(
    message: Message, name: str, motion: Trajectory | None, origin: Float64[np.ndarray, "2"], *, ahead_m: float
) -> None:
    """Add a motion, moved forward by `ahead_m`; empty arrays for None."""
    time_s = np.zeros(0) if motion is None else motion.time_s
    poses = np.zeros((0, 3)) if motion is None else shifted_along_heading(motion.poses, ahead_m)
    message.add_reals(f"{name}.time_s", time_s, 1e-3)
    message.add_reals(f"{name}.x", poses[:, 0] - origin[0], CENTIMETRE)
    message.add_reals(f"{name}.y", poses[:, 1] - origin[1], CENTIMETRE)
    message.add_reals(f"{name}.heading", poses[:, 2], MILLIRADIAN)


def _add_samples(message: Message, samples: Sequence[SimulationLog], origin: Float64[np.ndarray, "2"]) -> None:
    """Add one row per moving agent or ego of each sample, over a common time axis; NaN where it is not tracked."""
    steps = max((log.num_steps for log in samples), default=0)
    time_s = np.arange(0, steps, SAMPLE_EVERY) * STEP_S
    of, kinds, poses, sizes = [], [], [np.zeros((0, len(time_s), 3))], [np.zeros((0, 2))]
    for number, log in enumerate(samples):
        rows = _moving_rows(log)
        moved = np.full((len(rows) + 1, steps, 3), np.nan)
        moved[0, : log.num_steps] = log.ego.center_poses()[0]
        moved[1:, : log.num_steps] = np.where(log.agents.valid[rows, :, np.newaxis], log.agents.poses[rows], np.nan)
        first = log.agents.valid[rows].argmax(axis=1)
        poses.append(moved[:, ::SAMPLE_EVERY])
        sizes.append(np.array([[PACIFICA.length_m, PACIFICA.width_m], *log.agents.sizes[rows, first]]))
        kinds += [int(AgentKind.EGO), *log.agents.kinds[rows].tolist()]
        of += [number] * len(moved)
    message.add_integers("samples.of", np.array(of, dtype=np.int64))
    message.add_integers("samples.kinds", np.array(kinds, dtype=np.int64))
    message.add_reals("samples.time_s", time_s, 1e-3)
    joined, boxes = np.concatenate(poses), np.concatenate(sizes)
    message.add_reals("samples.x", joined[..., 0] - origin[0], CENTIMETRE)
    message.add_reals("samples.y", joined[..., 1] - origin[1], CENTIMETRE)
    message.add_reals("samples.heading", joined[..., 2], MILLIRADIAN)
    message.add_reals("samples.length", boxes[:, 0], CENTIMETRE)
    message.add_reals("samples.width", boxes[:, 1], CENTIMETRE)


def _moving_rows(log: SimulationLog) -> Int64[np.ndarray, "agents"]:
    """Rows of the agents that can move and do."""
    agents = log.agents
    is_known = agents.valid[..., np.newaxis]
    points = agents.poses[..., :2]
    high, low = (np.where(is_known, points, fill) for fill in (-np.inf, np.inf))
    extents_m = (high.max(axis=1) - low.min(axis=1)).max(axis=-1)  # -inf for agents without an observation.
    return np.flatnonzero((extents_m > MIN_DRIVEN_M) & ~static_mask(agents.kinds))
