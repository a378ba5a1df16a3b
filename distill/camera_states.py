"""Labelled states of the camera student on disk: perceived features and the scores of two teachers.

One file per drive, in a folder that belongs to one perception network, one vocabulary and one teacher.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from distill.contract import SUB_SCORES
from planning.neural.camera_scene import SceneArrays

FORMAT = "camber.camera_states.1"
HEADER = "states.json"
HALF = ("bev", "grids")
"""Arrays of a scene that are stored as float16."""


@dataclass(frozen=True, kw_only=True)
class CameraHeader:
    """What states depend on; states with another header are refused."""

    perception: str
    """Digest of the perception network."""
    vocabulary: str
    teacher: str
    sub_scores: tuple[str, ...] = SUB_SCORES
    format: str = FORMAT


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraStates:
    """S labelled states."""

    scenario_ids: tuple[str, ...]
    scenes: SceneArrays
    """Stacked; features and grids as float16."""
    candidates: Int64[np.ndarray, "states candidates"]
    """Rows of the vocabulary that the planner would select, the labelled ones."""
    scores: UInt8[np.ndarray, "states candidates sub_scores"]
    """Of the teacher with all agents, multiplied by 255."""
    visible_scores: UInt8[np.ndarray, "states candidates sub_scores"]
    """Of the teacher without the agents that no camera shows."""
    example: Float32[np.ndarray, "states 41 3"]
    """Logged rear-axle poses in the ego frame; NaN for states without an imitation target."""

    def __len__(self) -> int:
        return len(self.scenario_ids)

    def take(self, rows: Int64[np.ndarray, "rows"] | Bool[np.ndarray, "states"]) -> "CameraStates":
        """The given states, as indices or mask."""
        numbers = np.arange(len(self))[rows]
        return CameraStates(
            scenario_ids=tuple(self.scenario_ids[row] for row in numbers),
            scenes=SceneArrays(*(values[numbers] for values in self.scenes)),
            candidates=self.candidates[numbers],
            scores=self.scores[numbers],
            visible_scores=self.visible_scores[numbers],
            example=self.example[numbers],
        )


def joined_states(parts: Sequence[CameraStates]) -> CameraStates:
    """Concatenate states; parts share nothing with the result."""
    return CameraStates(
        scenario_ids=tuple(name for part in parts for name in part.scenario_ids),
        scenes=SceneArrays(
            *(np.concatenate(values) for values in zip(*(part.scenes for part in parts), strict=True))
        ),
        candidates=np.concatenate([part.candidates for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        visible_scores=np.concatenate([part.visible_scores for part in parts]),
        example=np.concatenate([part.example for part in parts]),
    )


class CameraStore:
    """A folder of states."""

    def __init__(self, folder: Path, header: CameraHeader | None = None) -> None:
        """Open a folder, or create it.

        Args:
            folder: Of the states.
            header: The expected one; required to create a folder.

        Raises:
            FileNotFoundError: When the folder holds no states and no header is given.
            ValueError: When the states belong to another perception network, vocabulary or teacher.
        """
        self.folder = folder
        path = folder / HEADER
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            self.header = CameraHeader(**{**found, "sub_scores": tuple(found["sub_scores"])})
            for name, value in asdict(header or self.header).items():
                if found[name] != json.loads(json.dumps(value)):
                    raise ValueError(
                        f"The states in {folder} have {name.replace('_', ' ')} {found[name]}, expected {value}."
                        " Record into another folder."
                    )
        elif header is None:
            raise FileNotFoundError(f"No states in {folder}. Record them with scripts/train_camera_student.py.")
        else:
            self.header = header
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{HEADER}.{os.getpid()}.part")
            part.write_text(json.dumps(asdict(header), indent=2), encoding="utf-8")
            part.replace(path)

    def has(self, name: str) -> bool:
        """Whether a drive is finished."""
        return self._path(name).is_file()

    def write(self, name: str, states: CameraStates | None) -> None:
        """Write the states of a drive; None for a drive without states."""
        arrays: dict[str, np.ndarray] = {}
        if states is not None:
            arrays = {f"scene_{key}": value for key, value in states.scenes._asdict().items()}
            arrays |= {key: getattr(states, key) for key in ("candidates", "scores", "visible_scores", "example")}
            arrays["scenario_ids"] = np.array(states.scenario_ids)
        part = self._path(name).with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(self._path(name))

    def read(self) -> CameraStates:
        """All states, in the order of the names of the drives.

        Raises:
            ValueError: When there is none.
        """
        parts = []
        for path in sorted(self.folder.glob("*.npz")):
            with np.load(path) as arrays:
                if "scenario_ids" in arrays:
                    parts.append(_states({name: arrays[name] for name in arrays.files}))
        if not parts:
            raise ValueError(f"{self.folder} holds no labelled state.")
        return joined_states(parts)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def halved(scenes: SceneArrays) -> SceneArrays:
    """The scenes with features and grids as float16."""
    return scenes._replace(**{name: getattr(scenes, name).astype(np.float16) for name in HALF})


def _states(arrays: dict[str, np.ndarray]) -> CameraStates:
    return CameraStates(
        scenario_ids=tuple(str(name) for name in arrays["scenario_ids"]),
        scenes=SceneArrays(**{name: arrays[f"scene_{name}"] for name in SceneArrays._fields}),
        candidates=arrays["candidates"],
        scores=arrays["scores"],
        visible_scores=arrays["visible_scores"],
        example=arrays["example"],
    )
