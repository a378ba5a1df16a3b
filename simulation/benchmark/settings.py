"""The settings of a benchmark run: data, planners, traffic, workers and limits."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from simulation.benchmark.devices import DeviceChoice
from simulation.rollout import traffic_mode

PROBES = ("stand_still", "constant_velocity", "ignore_agents")
"""Degenerate planners: a high score of theirs in a metric shows how that metric can be gamed."""
DEFAULT_BATCH = 16
"""Scenarios in lockstep, for planners with `plan_batch`."""

Traffic = str
"""A name of `simulation.rollout.TRAFFIC`, with options behind a colon where the traffic takes some."""
BackendName = Literal["serial", "process", "ray"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BenchmarkSettings:
    """One benchmark run. Wrong values raise when the settings are made."""

    data: Path
    """nuPlan data root, or a folder of log files."""
    output: Path
    """Results folder."""
    maps: Path | None = None
    """Maps folder, if it is not beside the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form."""
    planners: tuple[str, ...] = Field(min_length=1)
    """Names of the registry, `student:DIR`, `package.module:Class`, `recorded:DIR`, `devkit:package.module:Class`."""
    planner_arguments: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """By planner: arguments of its constructor, as `NAME=VALUE`."""
    traffic: tuple[Traffic, ...] = Field(default=("nonreactive",), min_length=1)
    backend: BackendName = "process"
    workers: int = Field(default=1, ge=1)
    batch: int | None = Field(default=None, ge=1)
    """Scenarios that a worker drives in lockstep with one query of the planner; None chooses by planner."""
    device: DeviceChoice = "auto"
    """Of planners with networks; `auto` uses the GPUs that there are. On Ray, GPUs need `gpus_per_worker`."""
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    """Share of a GPU per worker; 0 places local processes on the GPUs in turn."""
    ray_address: str | None = None
    """Address of a running cluster; None starts Ray on this machine."""
    step_timeout_s: float = Field(default=30.0, gt=0.0)
    """Time limit of one plan; a planner that exceeds it fails its scenario."""
    scenario_timeout_s: float = Field(default=900.0, gt=0.0)
    """Time limit of one scenario: a worker that exceeds it is killed. For a batch it is multiplied by its size."""
    seed: int = Field(default=0, ge=0)
    cameras: dict[str, Any] | None = None
    """Cameras of the run (`CameraOptions.to_json`); None leaves all to the planners."""
    probes: bool = True
    """Also run the degenerate planners; the report lists their scores apart."""
    limit: int | None = Field(default=None, ge=1)
    """At most this many scenarios, the first of the list."""
    allow_short: bool = False
    """Drive scenarios that the end of their log cuts off at their length; otherwise they are left out."""
    resume: bool = False
    """Continue an unfinished run in `output`."""
    retry_failed: bool = False
    """On resuming, run failed scenarios again."""

    @field_validator("planners", "traffic")
    @classmethod
    def _no_repetition(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"Each may be named once, got {list(values)}.")
        return values

    @field_validator("traffic")
    @classmethod
    def _known(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            try:
                traffic_mode(value)
            except KeyError as error:
                raise ValueError(error.args[0]) from None
        return values

    @field_validator("planners")
    @classmethod
    def _storable(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"Planner {value!r} is no valid UTF-8 text. Rename its file.") from error
        return values

    @property
    def probe_planners(self) -> tuple[str, ...]:
        """Probes that are not among the planners already."""
        return tuple(name for name in PROBES if self.probes and name not in self.planners)

    @property
    def all_planners(self) -> tuple[str, ...]:
        """Planners, then probes."""
        return (*self.planners, *self.probe_planners)

    def batch_size(self, *, is_batched: bool) -> int:
        """Scenarios in lockstep for a planner.

        Args:
            is_batched: Whether the planner has `plan_batch`; without, a batch would save nothing.
        """
        return (self.batch or DEFAULT_BATCH) if is_batched else 1

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for `run.json`."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value
