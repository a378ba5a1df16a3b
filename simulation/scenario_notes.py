"""Notes about a scenario: what was generated or found in it, as the viewer displays it.

One JSON file per scenario, `<scenario id>.notes.json`, in the folder `notes/` of a results folder or beside `maps/`
of a data set. Times are seconds from iteration 0, the start of the drive; poses are global. Metrics, planners and
training never read notes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from driving.trajectory import Trajectory
from simulation.files import write_atomically

FORMAT_VERSION = 1
NOTES_FOLDER = "notes"
SUFFIX = ".notes.json"
_DECIMALS = 3
"""Of times [s] and positions [m] in the file; headings have two more."""
_MOTIONS = ("unchanged", "way_out")
_TIMES = ("failure_s", "surprise_visible_s", "latest_start_s")


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenarioNotes:
    """Notes about one scenario; all parts but its id are optional.

    Raises:
        ValueError: When a rarity lies outside 0 to 1, a time is not finite, a solvable scenario has no way out, the
            latest start precedes the surprise, or a sample lies outside the folder of the notes.
    """

    scenario_id: str
    mode: str = ""
    """Name of the manoeuvre or failure mode, for example `cut_in`; the gallery groups failures by it."""
    planner: str = ""
    """The planner under test, as its drives name it (`SimulationLog.planner_name`)."""
    failure: str = ""
    """What the planner does wrong, as a sentence; scenarios with one are in the gallery of failures."""
    failure_s: float | None = None
    """Time of the failure."""
    is_solvable: bool | None = None
    """Whether a way out is proven; None where none was searched."""
    seed: int | None = None
    """Seed of the generator or of the search."""
    rarity: Mapping[str, float] = field(default_factory=dict)
    """By track id: share of agents that are more likely than this one, 0 for the most common, 1 for the rarest."""
    track_id: str = ""
    """The agent that was changed."""
    unchanged: Trajectory | None = None
    """Motion of that agent without the change: poses of its box centre, from iteration 0 on."""
    way_out: Trajectory | None = None
    """A drive of the ego without a failure: poses of its rear axle, from iteration 0 on."""
    surprise_visible_s: float | None = None
    """Time from which the change is visible."""
    latest_start_s: float | None = None
    """Latest time at which a way out still exists; `latest_start_s - surprise_visible_s` is the time to react."""
    samples: tuple[str, ...] = ()
    """Simulation logs of this scenario under sampled traffic, as paths relative to the folder of the notes."""

    def __post_init__(self) -> None:
        if not self.scenario_id or PurePosixPath(self.scenario_id).name != self.scenario_id:
            raise ValueError(f"Notes need the id of a scenario that can name a file, got {self.scenario_id!r}.")
        for track, share in self.rarity.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"The rarity of an agent is 0 (most common) to 1 (rarest), got {share} for {track}.")
        for name in _TIMES:
            time_s = getattr(self, name)
            if time_s is not None and not isfinite(time_s):
                raise ValueError(f"{name} is a finite time or None, got {time_s}.")
        if self.is_solvable and self.way_out is None:
            raise ValueError(f"Scenario {self.scenario_id} is solvable: its notes need the way out.")
        if self.reaction_s is not None and self.reaction_s < 0:
            raise ValueError(
                f"The latest start follows the surprise, got {self.latest_start_s} s for a surprise that is visible"
                f" at {self.surprise_visible_s} s."
            )
        for sample in self.samples:
            path = PurePosixPath(sample)
            if path.is_absolute() or ".." in path.parts or "\\" in sample:
                raise ValueError(f"Samples are paths below the folder of the notes, got {sample!r}.")

    @property
    def reaction_s(self) -> float | None:
        """Time between the visible surprise and the latest start; None where one of them is not known."""
        if self.latest_start_s is None or self.surprise_visible_s is None:
            return None
        return self.latest_start_s - self.surprise_visible_s

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        content = {one.name: getattr(self, one.name) for one in fields(self)}
        content |= {name: _motion_json(content[name]) for name in _MOTIONS}
        content |= {"rarity": {track: round(float(share), 6) for track, share in self.rarity.items()}}
        return {"format_version": FORMAT_VERSION, **content, "samples": list(self.samples)}

    @classmethod
    def from_json(cls, content: Any, name: str = "The notes") -> "ScenarioNotes":
        """Notes from the content of their file; missing parts take their defaults.

        Args:
            content: The parsed JSON.
            name: Of the file, for error messages.

        Raises:
            ValueError: When the content does not describe notes, or has a newer format.
        """
        version = content.get("format_version") if isinstance(content, dict) else None
        if not isinstance(version, int):
            raise ValueError(f"{name} holds no notes of a scenario: it names no format version.")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"{name} has format version {version}, this program reads up to {FORMAT_VERSION}: update the program."
            )
        known = {one.name for one in fields(cls)}
        parts = {key: value for key, value in content.items() if key in known}
        try:
            parts |= {key: _motion(parts[key]) for key in _MOTIONS if parts.get(key) is not None}
            return cls(**{**parts, "samples": tuple(parts.get("samples", ()))})
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{name} is damaged: {error}") from error

    def save(self, folder: Path) -> Path:
        """Write the notes into a folder, which is made when it is missing; returns their file.

        Raises:
            OSError: When the folder is not writable.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario_id}{SUFFIX}"
        write_atomically(path, json.dumps(self.to_json(), separators=(",", ":"), allow_nan=False).encode())
        return path

    @classmethod
    def load(cls, path: Path) -> "ScenarioNotes":
        """Read notes.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the file holds no notes, or notes of a newer format.
        """
        try:
            content = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} holds no notes of a scenario: it is no JSON ({error}).") from error
        return cls.from_json(content, str(path))


def _motion_json(motion: Trajectory | None) -> dict[str, list[float]] | None:
    if motion is None:
        return None
    columns = {"time_s": motion.time_s, "x_m": motion.poses[:, 0], "y_m": motion.poses[:, 1]}
    rounded = {name: np.round(values, _DECIMALS).tolist() for name, values in columns.items()}
    return {**rounded, "heading_rad": np.round(motion.poses[:, 2], _DECIMALS + 2).tolist()}


def _motion(content: Mapping[str, list[float]]) -> Trajectory:
    columns = [np.array(content[name], dtype=np.float64) for name in ("time_s", "x_m", "y_m", "heading_rad")]
    return Trajectory(time_s=columns[0], poses=np.stack(columns[1:], axis=-1))
