"""Labels on disk: Parquet files in a folder, one per scenario, bound to one vocabulary and one teacher.

Files are replaced atomically, so an interrupted labelling resumes where it stopped.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Float64, Int64, Shaped, UInt8

from distill.contract import SUB_SCORES, Future, Teacher
from distill.states import State, StateSettings, drawn_variations
from driving.geometry import poses_in_frame_of
from driving.observation import Observation
from planning.neural.features import FEATURE_NAMES, FeatureBuilder, Features, nearest_agents
from planning.neural.tokens import MAX_AGENTS, VERSION, StackedFeatures
from planning.neural.vocabulary import NUM_POSES
from simulation.ego.dynamics import state_array

FORMAT = "camber.labels.1"
HEADER = "labels.json"
MAP_NAME, MADE_WITH = b"map_name", b"made_with"
"""Metadata of a file."""
FORECAST_STEPS = np.arange(5, NUM_POSES, 5)
"""Steps of the agents' future positions that are stored: every half second."""
SCALE = 255.0
"""Scores are stored as integers from 0 to this."""


@dataclass(frozen=True, kw_only=True)
class LabelHeader:
    """Versions that labels depend on; labels with another header are refused."""

    vocabulary: str
    """Digest."""
    entries: int
    teacher: str
    """Version of the teacher."""
    features: str = VERSION
    sub_scores: tuple[str, ...] = SUB_SCORES
    format: str = FORMAT

    @classmethod
    def of(cls, teacher: Teacher) -> "LabelHeader":
        """The header of labels that a teacher writes now."""
        return cls(vocabulary=teacher.vocabulary.digest, entries=len(teacher.vocabulary), teacher=teacher.version)

    def require(self, wanted: "LabelHeader", where: Path) -> None:
        """Check that labels in a folder have a wanted header.

        Raises:
            ValueError: When a field differs; the message names it.
        """
        mine, theirs = asdict(self), asdict(wanted)
        for name, value in mine.items():
            if value != theirs[name]:
                raise ValueError(
                    f"The labels in {where} have {name.replace('_', ' ')} {value}, expected {theirs[name]}."
                    " Label into another folder with scripts/label.py."
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledStates:
    """B labelled states as arrays."""

    scenario_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    iterations: Int64[np.ndarray, "states"]
    ego_states: Float64[np.ndarray, "states 10"]
    """In the columns of `simulation.ego.dynamics`, global."""
    scores: UInt8[np.ndarray, "states entries sub_scores"]
    """Multiplied by 255."""
    example: Float32[np.ndarray, "states 41 3"]
    """Logged rear-axle poses in the ego frame, the imitation target; NaN for states without one."""
    agents_ahead: Float32[np.ndarray, "states agents 8 2"]
    """Future positions of the agents of the tokens every half second [m], ego frame; NaN where unobserved."""
    features: StackedFeatures

    def __len__(self) -> int:
        return len(self.scenario_ids)

    def take(self, rows: Int64[np.ndarray, "rows"] | Bool[np.ndarray, "states"]) -> "LabelledStates":
        """The given states, as indices or mask."""
        numbers = np.arange(len(self))[rows]
        return LabelledStates(
            scenario_ids=tuple(self.scenario_ids[row] for row in numbers),
            kinds=tuple(self.kinds[row] for row in numbers),
            iterations=self.iterations[numbers],
            ego_states=self.ego_states[numbers],
            scores=self.scores[numbers],
            example=self.example[numbers],
            agents_ahead=self.agents_ahead[numbers],
            features={name: values[numbers] for name, values in self.features.items()},
        )


def label_states(states: Iterable[State], teacher: Teacher, builder: FeatureBuilder) -> LabelledStates | None:
    """Label states one by one; None without states."""
    labelled = list(states)
    if not labelled:
        return None
    scores = [teacher.label(state.observation, state.future).scores for state in labelled]
    features = [builder.build(state.observation) for state in labelled]
    return LabelledStates(
        scenario_ids=tuple(state.scenario_id for state in labelled),
        kinds=tuple(state.kind for state in labelled),
        iterations=np.array([state.observation.iteration for state in labelled], dtype=np.int64),
        ego_states=np.stack([state_array(state.observation.ego_now) for state in labelled]),
        scores=np.stack([np.rint(one * SCALE).astype(np.uint8) for one in scores]),
        example=np.stack([example_of(state.observation, state.future) for state in labelled]),
        agents_ahead=np.stack([_agents_ahead(state.observation, state.future) for state in labelled]),
        features=stacked(features),
    )


def stacked(features: Sequence[Features]) -> dict[str, Shaped[np.ndarray, "states *shape"]]:
    """Fields of several `Features`, stacked."""
    return {name: np.stack([getattr(one, name) for one in features]) for name in FEATURE_NAMES}


def example_of(observation: Observation, future: Future) -> Float32[np.ndarray, "41 3"]:
    """Logged rear-axle poses in the ego frame, the imitation target; NaN without one."""
    if future.ego_poses is None or len(future.ego_poses) < NUM_POSES:
        return np.full((NUM_POSES, 3), np.nan, dtype=np.float32)
    return poses_in_frame_of(future.ego_poses[:NUM_POSES], observation.ego_now.rear_axle_pose).astype(np.float32)


def _agents_ahead(observation: Observation, future: Future) -> np.ndarray:
    ahead = np.full((MAX_AGENTS, len(FORECAST_STEPS), 2), np.nan, dtype=np.float32)
    row_of_id = {track: row for row, track in enumerate(future.agents.track_ids)}
    for place, row in enumerate(nearest_agents(observation).tolist()):
        found = row_of_id.get(observation.agents.track_ids[row])
        if found is not None:
            poses = future.agents.poses[found, FORECAST_STEPS]
            ahead[place] = poses_in_frame_of(poses, observation.ego_now.rear_axle_pose)[:, :2]
    return ahead


class LabelSources(NamedTuple):
    """Where labelled states come from."""

    scenario_ids: frozenset[str]
    map_names: frozenset[str]


class LabelStore:
    """A folder of label files."""

    def __init__(self, folder: Path, header: LabelHeader | None = None) -> None:
        """Open a folder, or create it.

        Args:
            folder: Of the labels.
            header: The expected header; required to create a folder.

        Raises:
            FileNotFoundError: When the folder holds no labels and no header is given.
            ValueError: When the folder holds labels of another vocabulary, teacher or version.
        """
        self.folder = folder
        path = folder / HEADER
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.get("format") != FORMAT:
                raise ValueError(f"{path} has format {found.get('format')}, expected {FORMAT}. Label again.")
            self.header = LabelHeader(**{**found, "sub_scores": tuple(found["sub_scores"])})
            if header is not None:
                self.header.require(header, folder)
        elif header is None:
            raise FileNotFoundError(f"No labels in {folder}. Create them with scripts/label.py.")
        else:
            self.header = header
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(path, lambda part: part.write_text(json.dumps(asdict(header), indent=2), encoding="utf-8"))

    def has(self, name: str, settings: Mapping[str, Any] | None = None) -> bool:
        """Whether a part is finished.

        Args:
            name: Of the part.
            settings: If given, those that it was written with; parts of earlier versions name none.

        Raises:
            ValueError: When a part was written with another setting; the message names it.
        """
        path = self._path(name)
        if settings is not None and path.is_file():
            found = json.loads((pq.read_schema(path).metadata or {}).get(MADE_WITH, "{}"))
            # Earlier versions did as the defaults of later settings say; parts that name none are taken as they are.
            known = {**json.loads(json.dumps(asdict(StateSettings()))), **found} if found else {}
            for key, value in json.loads(json.dumps(settings)).items():
                if known.get(key, value) != value:
                    raise ValueError(
                        f"{path} was made with {key} {known[key]}, expected {value}. Label into another folder."
                    )
        return path.is_file()

    def write(
        self, name: str, states: LabelledStates | None, map_name: str = "", settings: Mapping[str, Any] | None = None
    ) -> None:
        """Write a part: the states of one scenario, None for a scenario without states.

        Args:
            name: Of the part.
            states: Labelled.
            map_name: Of the scenario; labels without it cannot be held against evaluation sets.
            settings: What the choice of the states depends on, for `has`.
        """
        table = _table(states)
        described = {MAP_NAME: map_name, MADE_WITH: json.dumps(settings or {})}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **described})
        _write_whole(self._path(name), lambda part: pq.write_table(table, part, compression="zstd"))

    def sources(self) -> LabelSources:
        """The scenarios and maps of all states.

        Raises:
            ValueError: When the map of a state is not known.
        """
        ids: set[str] = set()
        maps: set[str] = set()
        for path in sorted(self.folder.glob("*.parquet")):
            table = pq.read_table(path, columns=["scenario_id"])
            if not len(table):
                continue
            map_name = (table.schema.metadata or {}).get(MAP_NAME, b"").decode()
            if not map_name:
                raise ValueError(f"{path} does not name the map of its states. Label again with scripts/label.py.")
            ids.update(table["scenario_id"].to_pylist())
            maps.add(map_name)
        return LabelSources(frozenset(ids), frozenset(maps))

    def read(self, leave_out: Collection[str] = ()) -> LabelledStates:
        """Labels in the order of the parts' names.

        Args:
            leave_out: Variations of `distill.states` whose scenarios are left out.

        Raises:
            ValueError: When no labelled state remains, a file is damaged, or one does not say which variations its
                scenario was drawn from.
        """
        parts = []
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                table = pq.read_table(path)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{path} is damaged: {error}. Delete it and label again.") from error
            if len(table) and not (leave_out and _variations_of(table, path).intersection(leave_out)):
                parts.append(self._states(table))
        if not parts:
            left_out = f" besides those of scenarios with {', '.join(leave_out)}" if leave_out else ""
            raise ValueError(f"{self.folder} holds no labelled state{left_out}.")
        return joined(parts)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _states(self, table: pa.Table) -> LabelledStates:
        count = len(table)
        shapes = json.loads(table.schema.metadata[b"shapes"])
        arrays = {}
        for name, (dtype, shape) in shapes.items():
            flat = np.frombuffer(b"".join(table[name].to_pylist()), dtype=dtype)
            arrays[name] = flat.reshape(count, *shape)
        entries = arrays["scores"].shape[1]
        if entries != self.header.entries:
            raise ValueError(f"A file in {self.folder} labels {entries} entries, its header {self.header.entries}.")
        return LabelledStates(
            scenario_ids=tuple(table["scenario_id"].to_pylist()),
            kinds=tuple(table["kind"].to_pylist()),
            iterations=table["iteration"].to_numpy().astype(np.int64),
            ego_states=arrays["ego_state"],
            scores=arrays["scores"],
            example=arrays["example"],
            agents_ahead=arrays["agents_ahead"],
            features={name: arrays[name] for name in FEATURE_NAMES},
        )


def joined(parts: Sequence[LabelledStates]) -> LabelledStates:
    """Concatenate sets of states."""
    return LabelledStates(
        scenario_ids=tuple(name for part in parts for name in part.scenario_ids),
        kinds=tuple(kind for part in parts for kind in part.kinds),
        iterations=np.concatenate([part.iterations for part in parts]),
        ego_states=np.concatenate([part.ego_states for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        example=np.concatenate([part.example for part in parts]),
        agents_ahead=np.concatenate([part.agents_ahead for part in parts]),
        features={name: np.concatenate([part.features[name] for part in parts]) for name in FEATURE_NAMES},
    )


def _variations_of(table: pa.Table, path: Path) -> frozenset[str]:
    """Variations of the scenarios of a part."""
    settings = json.loads(table.schema.metadata.get(MADE_WITH, "{}"))
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
    fields.pop("driven_by", None)
    if not fields:
        raise ValueError(
            f"{path} does not say which variations its scenario was drawn from. Label again with scripts/label.py."
        )
    scenario_ids = set(table["scenario_id"].to_pylist())
    return frozenset().union(*(drawn_variations(each, StateSettings(**fields)).names for each in scenario_ids))


def _table(states: LabelledStates | None) -> pa.Table:
    if states is None:
        return pa.table({"scenario_id": pa.array([], pa.string())})
    arrays = {
        "ego_state": states.ego_states,
        "scores": states.scores,
        "example": states.example,
        "agents_ahead": states.agents_ahead,
        **states.features,
    }
    columns = {
        "scenario_id": pa.array(states.scenario_ids),
        "kind": pa.array(states.kinds),
        "iteration": pa.array(states.iterations),
        **{name: pa.array([row.tobytes() for row in values], pa.binary()) for name, values in arrays.items()},
    }
    shapes = {name: (values.dtype.str, values.shape[1:]) for name, values in arrays.items()}
    return pa.table(columns).replace_schema_metadata({"shapes": json.dumps(shapes)})


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write(part)
    part.replace(path)
