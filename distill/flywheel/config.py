"""What a flywheel does: student, data, evaluation sets and budgets; checked before anything is driven."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from distill.flywheel.stages import read_json
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios
from simulation.benchmark.data_version import data_version
from simulation.files import write_atomically

CONFIG = "flywheel.json"
MIX = (0.7, 0.4)
"""Shares of the trained weights, by default."""
ROOTS = ("data", "validate", "test")
"""Settings that name data roots, at least one each."""
MAX_SEED = 2**31 - 1
"""Seeds of searches are multiples of it, and have to fit into 64 bits."""
MAX_NEW_SHARE = 0.95
"""Above, the few states of a round would be repeated hundreds of times."""
FOLDER, LABEL_PARTS = "folder", "number of files in --labels"
"""Entries of the configuration besides the settings: where the flywheel is, and the number of files in each folder of
labels. Flywheels of earlier versions lack them."""
MAX_NAMES = 3
"""Overlapping scenarios that a message names."""


@dataclass(frozen=True, kw_only=True)
class FlywheelConfig:
    """The settings of a flywheel. Those of `FREE` may change when it is continued; all others decide the result."""

    student: str = "student"
    """`student` for the shipped one, or the folder of a checkpoint."""
    data: tuple[Path, ...] = ()
    """Data root to drive, to search and to train on; may be repeated."""
    validate: tuple[Path, ...] = ()
    """Data root that decides whether a round is kept, of other maps; may be repeated."""
    test: tuple[Path, ...] = ()
    """Data root that decides nothing, of other maps, driven before the first round and after the last one; may be
    repeated."""
    labels: tuple[Path, ...] = ()
    """Folder of scripts/label.py whose states every round replays, as those of the student's training; may be
    repeated."""
    output: Path
    """Folder of the flywheel; one in it is continued."""
    rounds: int = 3
    """Rounds in all; a finished flywheel continues with a larger number."""
    seed: int = 0
    """Seed of all random numbers."""
    recipe: str = "tiny"
    """tiny, small or base: that of the student."""
    teacher: str = "rules"
    """Name of the teacher of the labels."""
    limit: int | None = None
    """Scenarios of each data root that a round drives and searches, at most; drawn anew for each round."""
    search_drives: int = 400
    """Drives of the student in the adversarial search of a round; 0 for no search."""
    drives_per_scenario: int = 12
    """Of the search. Most scenarios need fewer, and unused ones are not passed on."""
    rarity: bool = True
    """Whether the search refuses agents that are too rare."""
    drawn_neighbours: bool = True
    """Whether the search also adds neighbours that the scene network draws."""
    failures: int = 60
    """Failures that a round learns from, at most."""
    neighbours: int = 2
    """Neighbours of each failure that each way of generating them makes, at most."""
    replay: int = 240
    """Scenarios of the data roots that are labelled at the beginning, and that every round replays; 0 for none."""
    new_share: float = 0.15
    """Share of the states of the rounds in the training; the rest is replay."""
    mirrored: float = 0.5
    """Share of the batches in which left and right are exchanged."""
    label_every: int = 10
    """Steps of 0.1 s between labelled states."""
    steps: int = 600
    """Training steps of a round."""
    learning_rate: float = 3e-4
    """The highest of a round, below that of a first training."""
    mix: tuple[float, ...] = MIX
    """Shares of the trained weights in those of the new student, tried in this order until the round is kept."""
    max_loss: float = 0.005
    """Score that a validation set may lose in all rounds together; a round that loses more is rolled back."""
    backend: Literal["process", "ray"] = "process"
    """Local processes, or Ray; equal results."""
    workers: int = 1
    """Number of processes."""
    ray_address: str | None = None
    """Address of a running cluster whose machines share the folders; None starts Ray on this machine."""

    def check(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: When one is out of its range, or a set is missing.
        """
        for name in ROOTS:
            if not getattr(self, name):
                raise ValueError(f"A flywheel needs at least one data root for --{name}, got none.")
        for name in ("rounds", "failures", "label_every", "steps", "drives_per_scenario", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{_option(name)} must be at least 1, got {getattr(self, name)}.")
        for name in ("search_drives", "neighbours", "replay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{_option(name)} must be at least 0, got {getattr(self, name)}.")
        if self.replay < 1 and not self.labels:
            raise ValueError(
                f"A flywheel replays earlier states: name --labels, or set --replay to at least 1, not {self.replay}."
            )
        # Folders are named by the shares as they are written here.
        names = {f"{share:g}" for share in self.mix}
        if not self.mix or not all(0.0 < share <= 1.0 for share in self.mix) or len(names) < len(self.mix):
            raise ValueError(f"--mix must hold different shares above 0 and up to 1, got {self.mix}.")
        if self.seed > MAX_SEED:
            raise ValueError(f"--seed must be at most {MAX_SEED}, got {self.seed}.")
        if not 0.0 <= self.new_share <= MAX_NEW_SHARE:
            raise ValueError(f"--new-share is a share from 0 to {MAX_NEW_SHARE:g}, got {self.new_share:g}.")
        if not 0.0 <= self.mirrored <= 1.0:
            raise ValueError(f"--mirrored is a share from 0 to 1, got {self.mirrored:g}.")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"--learning-rate must be above 0 and finite, got {self.learning_rate:g}.")
        if not 0.0 <= self.max_loss < math.inf:
            raise ValueError(f"--max-loss must be at least 0 and finite, got {self.max_loss:g}.")

    @property
    def run_backend(self) -> str:
        """Of `simulation.benchmark.mapping`: one local worker is this process."""
        return "serial" if self.backend == "process" and self.workers == 1 else self.backend

    def rng(self, *numbers: int) -> np.random.Generator:
        """Random numbers of a part of the flywheel."""
        return np.random.default_rng([self.seed, *numbers])


def _option(name: str) -> str:
    """The option of scripts/flywheel.py for a setting."""
    return f"--{name.replace('_', '-')}"


FREE = ("output", "rounds", "backend", "workers", "ray_address")
"""Settings that do not change what a round does."""


def entries_of(root: Path) -> list[ScenarioEntry]:
    """The scenarios of a data root.

    Raises:
        FileNotFoundError: When there are no logs or no maps.
        ValueError: When there is no scenario.
    """
    entries = list_scenarios(DataRoot.find(root))
    if not entries:
        raise ValueError(f"No scenarios in {root}.")
    return entries


def entry_of(root: Path, token: str) -> ScenarioEntry:
    """One scenario of a data root."""
    return next(entry for entry in entries_of(root) if entry.token == token)


def prepare(config: FlywheelConfig) -> None:
    """Check the sets against each other and the folder against its configuration, and write the latter.

    Raises:
        NotADirectoryError: When the folder is a file.
        ValueError: When an evaluation set overlaps with others, data roots of one option share a scenario, or the
            folder has another configuration or was moved.
    """
    sets = {name: [entries_of(root) for root in getattr(config, name)] for name in ROOTS}
    for name, roots in sets.items():
        _require_distinct(name, roots)
    entries = {name: [entry for found in roots for entry in found] for name, roots in sets.items()}
    for held_out, other in (("validate", "data"), ("test", "data"), ("test", "validate")):
        require_apart(held_out, entries[held_out], other, entries[other])
    versions = {name: [data_version(found) for found in roots] for name, roots in sets.items()}
    described: dict[str, Any] = {key: value for key, value in asdict(config).items() if key not in FREE}
    parts = {LABEL_PARTS: [len(list(folder.glob("*.parquet"))) for folder in config.labels]}
    _require_same({**described, **versions, **parts, FOLDER: str(config.output.resolve())}, config.output)


def _require_distinct(name: str, roots: Iterable[Iterable[ScenarioEntry]]) -> None:
    """Check that no scenario is in two data roots of one option, where it would count twice.

    Raises:
        ValueError: Names the scenarios.
    """
    counts = Counter(token for root in roots for token in {entry.token for entry in root})
    twice = sorted(token for token, count in counts.items() if count > 1)
    if twice:
        raise ValueError(
            f"Data roots of --{name} share {len(twice)} scenario{'s' if len(twice) > 1 else ''} ({_named(twice)}),"
            " which would count twice. Name each data root once."
        )


def _named(found: list[str]) -> str:
    return ", ".join(found[:MAX_NAMES]) + (", ..." if len(found) > MAX_NAMES else "")


def require_apart(
    name: str, entries: Iterable[ScenarioEntry], other_name: str, others: Iterable[ScenarioEntry]
) -> None:
    """Check that two sets share neither a scenario nor a map.

    Raises:
        ValueError: Names what both contain.
    """
    mine, theirs = list(entries), list(others)
    for word, key in (("scenario", "token"), ("map", "map_name")):
        require_none_shared(
            word, name, {getattr(one, key) for one in mine}, other_name, {getattr(one, key) for one in theirs}
        )


def require_none_shared(word: str, name: str, mine: Set[str], other_name: str, theirs: Set[str]) -> None:
    """Check that a set has nothing in common with another one.

    Raises:
        ValueError: Names what both contain.
    """
    shared = sorted(mine & theirs)
    if shared:
        plural = "s" if len(shared) > 1 else ""
        raise ValueError(
            f"--{name} and --{other_name} share {len(shared)} {word}{plural} ({_named(shared)});"
            f" figures on it would not be held out. Choose data of other maps for --{name}."
        )


def _require_same(described: dict[str, Any], output: Path) -> None:
    wanted = json.loads(json.dumps(described, default=str))
    path = output / CONFIG
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"--output {output} is a file. Name a folder; a new one is created.")
    if path.is_file():
        known = read_json(path, "Delete it, and repeat the command with the settings that it was begun with.")
        for name in (FOLDER, LABEL_PARTS):
            known.setdefault(name, wanted[name])
        if known[FOLDER] != wanted[FOLDER]:
            raise ValueError(
                f"{output} is the flywheel of {known[FOLDER]}, which its files name. Move it back there to continue."
            )
        different = [
            # Data roots are held as digests of their scenarios.
            f"{name} (other scenarios, or another order)"
            if name in ROOTS
            else f"{name} ({known.get(name, 'nothing')} there, {wanted[name]} given)"
            for name in sorted(wanted)
            if known.get(name) != wanted[name]
        ]
        if different:
            raise ValueError(
                f"{output} holds a flywheel with other {', '.join(different)}. Continue it with its own settings"
                f" ({path.name}), or name another --output."
            )
    write_atomically(path, json.dumps(wanted, indent=1).encode())


assert set(FREE) <= {one.name for one in fields(FlywheelConfig)}
