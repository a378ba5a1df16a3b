"""What to run, on what, and how patiently."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

PROBES = ("stand_still", "constant_velocity", "ignore_agents")
"""Degenerate planners: a metric that they do well in can be gamed."""

Traffic = Literal["nonreactive", "reactive", "reactive_scripted", "open_loop"]
"""The names of `simulation.rollout.TRAFFIC`."""
BackendName = Literal["serial", "process", "ray"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BenchmarkSettings:
    """One benchmark run. Wrong values raise when the settings are made, not an hour later."""

    data: Path
    """nuPlan data root, or a folder of log files."""
    output: Path
    """Results folder."""
    maps: Path | None = None
    """Maps folder, where it is not beside the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form."""
    planners: tuple[str, ...] = Field(min_length=1)
    """Names of the registry, `package.module:Class`, `recorded:DIR` or `devkit:package.module:Class`."""
    traffic: tuple[Traffic, ...] = Field(default=("nonreactive",), min_length=1)
    backend: BackendName = "process"
    workers: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    """Share of a GPU that each worker takes; Ray only."""
    ray_address: str | None = None
    """Address of a running cluster; None starts Ray on this machine."""
    step_timeout_s: float = Field(default=30.0, gt=0.0)
    """A planner that takes longer for one step fails its scenario."""
    scenario_timeout_s: float = Field(default=900.0, gt=0.0)
    """A worker that takes longer for one scenario is killed: for planners that hang where no signal reaches."""
    seed: int = Field(default=0, ge=0)
    probes: bool = True
    """Also run the degenerate planners, whose scores stand beside the others in the report."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many scenarios, the first of the list."""
    resume: bool = False
    """Go on with an unfinished run in `output`."""
    retry_failed: bool = False
    """When going on, run failed scenarios again."""

    @field_validator("planners", "traffic")
    @classmethod
    def _no_repetition(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"Each may be named once, got {list(values)}.")
        return values

    @property
    def probe_planners(self) -> tuple[str, ...]:
        """Probes that are not among the planners anyway."""
        return tuple(name for name in PROBES if self.probes and name not in self.planners)

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for `run.json`."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
