"""Closed-loop scores of the camera student, of its imitation-only twin, and with images that show nothing useful.

    python benchmarks/camera_student.py --data held_out --output results/camera_student
    python benchmarks/camera_student.py --data held_out --data corner_cases --limit 20 --workers 2 \
        --checkpoint checkpoints/camera --perception checkpoints/eyes --twin checkpoints/camera_imitation --output ...

Controls: all cameras black, all cameras frozen from the start, and images of another scenario at the same step. A
drive costs about 10 s of processor time. Finished drives are kept in OUTPUT/drives.jsonl and not driven again. Corner
cases are listed by kind. Scores are those of non-reactive traffic.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, require_count, run
from tables import TextTable

from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from perception.checkpoint import SHIPPED as SHIPPED_NETWORK
from planning.neural.camera_checkpoint import CameraStudent, perception_digest
from planning.neural.camera_planner import SHIPPED, CameraStudentPlanner
from simulation.benchmark.provenance import provenance
from simulation.generation.corner_cases.generator import corner_kind_of
from simulation.metrics.score import CLOSED_LOOP, score_simulation
from simulation.rendering.faults import CameraFault, FaultKind
from simulation.rollout import run_rollout
from simulation.sensors.rendered import logged_images

COMPLETE, TWIN, BLACK, FROZEN, OTHER = "camera_student", "imitation only", "black", "frozen", "other scenario"
CONTROLS = (BLACK, FROZEN, OTHER)
FAULTS: dict[str, FaultKind] = {BLACK: "black", FROZEN: "frozen"}


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Students and scenarios."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios that training did not use; may be repeated."""
    output: Path
    """Folder of the results."""
    checkpoint: Path = SHIPPED
    """Folder of the student."""
    perception: Path = SHIPPED_NETWORK
    """Folder of its perception network."""
    twin: Path | None = None
    """Folder of the student that was trained by imitation only."""
    every_s: float = 0.4
    """Time between two runs of the perception network."""
    no_controls: bool = False
    """Drive with the right images only."""
    limit: int | None = 10
    """Number of scenarios of each data root, evenly from its list."""
    workers: int = 1
    """Processes."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """One drive."""

    condition: str
    checkpoint: Path
    perception: Path
    every_s: float
    data: str
    entry: ScenarioEntry
    other: ScenarioEntry
    """Its images are shown under the condition `OTHER`."""

    @property
    def key(self) -> str:
        """Name in the journal: data, scenario, condition, and digests of the networks."""
        folder = self.checkpoint
        return f"{self.data}/{self.entry.token}/{self.condition}/{digest(folder)}/{self.every_s:g}"


class OtherImages:
    """A camera student that gets the images of another scenario."""

    def __init__(self, planner: CameraStudentPlanner, other: Scenario) -> None:
        self.name, self.camera_settings = planner.name, planner.camera_settings
        self._planner, self._other = planner, other
        self._images = logged_images(other, self.camera_settings)

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Prepare for a scenario."""
        self._planner.reset(map, route)

    def plan(self, observation: Observation) -> Trajectory:
        """The plan from wrong images."""
        own = observation.cameras
        assert own is not None
        step = min(observation.iteration, self._other.num_frames - 1)
        shown = self._images.newest(step, self._other.ego.rear_axle_poses[0])
        return self._planner.plan(replace(observation, cameras=replace(own, source=shown.source)))


def main(arguments: Arguments) -> None:
    """Drive, print, write."""
    require_count("--limit", arguments.limit)
    if not arguments.data:
        raise ValueError("Name at least one data root with scenarios, for example --data held_out.")
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "drives.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = {found["key"]: found for found in map(json.loads, lines)}
    wanted = drives(arguments)
    missing = [drive for drive in wanted if drive.key not in known]
    with progress(arguments) as bar, path.open("a", encoding="utf-8") as journal:
        for found in bar.track(driven(missing, arguments.workers), total=len(missing), description="drives"):
            known[found["key"]] = found
            journal.write(json.dumps(found) + "\n")
            journal.flush()
    for data in dict.fromkeys(drive.data for drive in wanted):
        results = [(drive.condition, known[drive.key]) for drive in wanted if drive.data == data]
        print_lines(score_table(data, results).markdown())
        if any(found["kind"] for _, found in results):
            print_lines(kind_table(data, results).markdown())
    about = provenance()
    print_line(f"perception every {arguments.every_s:g} s; commit {about['commit']}; {about['hardware']}")


def drives(arguments: Arguments) -> list[Drive]:
    """All drives of the tables."""
    students = {COMPLETE: arguments.checkpoint} | ({TWIN: arguments.twin} if arguments.twin else {})
    controls = () if arguments.no_controls else CONTROLS
    found = []
    for data in arguments.data:
        entries = list_scenarios(DataRoot.find(data))
        count = min(arguments.limit or len(entries), len(entries))
        rows = np.unique(np.linspace(0, len(entries) - 1, count).round().astype(int)).tolist()
        for condition, checkpoint in [*students.items(), *((name, arguments.checkpoint) for name in controls)]:
            found += [
                Drive(
                    condition=condition,
                    checkpoint=checkpoint,
                    perception=arguments.perception,
                    every_s=arguments.every_s,
                    data=data.name,
                    entry=entries[row],
                    other=entries[(row + len(entries) // 2) % len(entries)],
                )
                for row in rows
            ]
    return found


def driven(wanted: list[Drive], workers: int) -> Iterator[dict[str, object]]:
    """Scores of the drives, in order."""
    if workers <= 1:
        yield from map(score_of, wanted)
    else:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            yield from pool.map(score_of, wanted)


def score_of(drive: Drive) -> dict[str, object]:
    """Drive and score."""
    scenario = open_scenario(drive.entry, with_cameras=False)
    planner = planner_of(drive.checkpoint, drive.perception, drive.every_s)
    cameras = planner.camera_settings
    if drive.condition in FAULTS:
        kind = FAULTS[drive.condition]
        faults = tuple(CameraFault(camera=name, kind=kind) for name in cameras.rig.names)
        cameras = replace(cameras, faults=faults)
    driver = (
        OtherImages(planner, open_scenario(drive.other, with_cameras=False)) if drive.condition == OTHER else None
    )
    result = score_simulation(run_rollout(scenario, driver or planner, cameras=cameras), scenario)
    return {
        "key": drive.key,
        "scenario": scenario.scenario_id,
        "type": scenario.scenario_type,
        "kind": corner_kind_of(scenario.log_name),
        "score": result.score,
        "metrics": {name: result.metrics[name].score for name in CLOSED_LOOP.scored},
    }


@lru_cache(maxsize=2)
def planner_of(checkpoint: Path, perception: Path, every_s: float) -> CameraStudentPlanner:
    """The student of a folder, made once per process."""
    return CameraStudentPlanner.load(checkpoint, perception, every_s)


@lru_cache
def digest(checkpoint: Path) -> str:
    """Digest of a student and of its perception network."""
    student = CameraStudent.load(checkpoint)
    weights = student.network.state_dict()
    return f"{perception_digest(weights)}-{student.perception}"


def score_table(data: str, results: list[tuple[str, dict[str, object]]]) -> TextTable:
    """Score and metrics by condition."""
    names = CLOSED_LOOP.scored
    table = TextTable(title=f"{data}, non-reactive", head=("drives with", "score", "scenarios", *names))
    for condition in dict.fromkeys(name for name, _ in results):
        found = [result for name, result in results if name == condition]
        scores = np.array([result["score"] for result in found], dtype=np.float64)
        means = [np.mean([result["metrics"][name] for result in found]) for name in names]  # type: ignore[index]
        table.add(condition, f"{scores.mean():.3f}", str(len(found)), *(f"{mean:.2f}" for mean in means))
    return table


def kind_table(data: str, results: list[tuple[str, dict[str, object]]]) -> TextTable:
    """Score by kind of corner case."""
    conditions = tuple(dict.fromkeys(name for name, _ in results))
    table = TextTable(title=f"{data} by kind", head=("kind", "scenarios", *conditions))
    for kind in sorted({str(result["kind"]) for _, result in results}):
        scores = {
            condition: [result["score"] for name, result in results if name == condition and result["kind"] == kind]
            for condition in conditions
        }
        cells = [f"{np.mean(values):.3f}" if values else "" for values in scores.values()]  # type: ignore[arg-type]
        table.add(kind, str(len(scores[conditions[0]])), *cells)
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
