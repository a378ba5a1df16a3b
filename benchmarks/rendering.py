"""Time of rendering by stage, rig and appearance, and with parts of the scene left out.

    python benchmarks/rendering.py                       # a small town, generated
    python benchmarks/rendering.py --data worlds --limit 6

Process CPU time of one thread in milliseconds for all images of a rig: the median over scenarios of the fastest of
`--repeats` calls. Kernels are compiled and the ground is drawn before. Targets: 25 ms for 8 x 270 x 480 px, 10 ms for
6 x 128 x 352 px. Where PyTorch3D loads, its CPU rasteriser draws the same triangles.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, require_count, run
from tables import TextTable

from driving.cameras import CameraRig
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.rigs import NUPLAN_8, NUSCENES_6
from driving.scenario import Scenario
from simulation.benchmark.provenance import provenance
from simulation.generation.town.generator import TownGenerator
from simulation.rendering import renderer as rendering
from simulation.rendering.appearance import APPEARANCES, DAY, Appearance
from simulation.rendering.pytorch3d import MissingPyTorch3DError, draw, load_pytorch3d, rectified
from simulation.rendering.renderer import CameraRenderer
from simulation.rendering.snapshot import Snapshot, snapshot_of

RIGS = {
    "8 x 270 x 480": NUPLAN_8.resized(sizes=(480, 270)),
    "6 x 128 x 352": NUSCENES_6.resized(scale=352 / 1600).cropped((0, 60, 352, 128)),
}
STAGES = {
    "agent_mesh": "meshes",
    "models_of": "meshes",
    "place": "transform, light",
    "draw_triangles": "z-buffer",
    "shade": "shading",
    "add_streaks": "lens",
    "add_spots": "lens",
    "blur": "lens",
    "row_starts": "sensor",
    "develop": "sensor",
}
"""Functions that the renderer calls, and the stage that each belongs to."""
COLUMNS = (*dict.fromkeys(STAGES.values()), "remaining")
DIRTY = replace(APPEARANCES["rain"], dirt=0.5, blur_px=0.7)


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and repetitions."""

    data: Path | None = None
    """nuPlan data root; a small generated town without it."""
    limit: int = 3
    """Maximum number of scenarios."""
    repeats: int = 15
    """Calls for each scenario."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    require_count("--limit", arguments.limit)
    require_count("--repeats", arguments.repeats)
    scenarios = opened(arguments)
    stages = TextTable(title="Milliseconds of CPU time for all images", head=("rig", "appearance", *COLUMNS, "all"))
    stages.num_left = 2
    parts = TextTable(title="By day, parts left out", head=("rig", "left out", "all"))
    parts.num_left = 2
    with progress(arguments) as bar:
        for name, rig in bar.track(RIGS.items(), description="rigs"):
            for label, appearance in (*APPEARANCES.items(), ("rain, blur, dirt", DIRTY)):
                rows = [fastest(scenario, rig, appearance, arguments.repeats) for scenario in scenarios]
                stages.add(name, label, *(f"{value:.1f}" for value in np.median(rows, axis=0)))
            for label, change in CHANGES.items():
                totals = [fastest(one, rig, DAY, arguments.repeats, change)[-1] for one in scenarios]
                parts.add(name, label, f"{np.median(totals):.1f}")
    console.print(stages.printed())
    console.print(parts.printed())
    try:
        load_pytorch3d()
        console.print(compared(scenarios[0], arguments.repeats).printed())
    except MissingPyTorch3DError as error:
        console.print(f"No comparison with PyTorch3D. {error}", markup=False)
    made = provenance()
    console.print(f"Command: python {made['command']}", f"Commit: {made['commit']}", sep="\n")
    console.print(f"Hardware: {made['hardware']['cpu']}, {made['hardware']['cores']} cores, one thread")


def opened(arguments: Arguments) -> list[Scenario]:
    """The scenarios to render."""
    if arguments.data is None:
        return [TownGenerator().generate(seed) for seed in range(min(arguments.limit, 3))]
    return [open_scenario(entry) for entry in list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]]


def without_agents(_: CameraRenderer, snapshot: Snapshot) -> Snapshot:
    """The snapshot of an empty road."""
    return replace(
        snapshot,
        track_ids=(),
        kinds=snapshot.kinds[:0],
        poses=snapshot.poses[:0],
        sizes_m=snapshot.sizes_m[:0],
        is_braking=snapshot.is_braking[:0],
        turn_signals=snapshot.turn_signals[:0],
    )


def without_objects(renderer: CameraRenderer, snapshot: Snapshot) -> Snapshot:
    """Let the renderer draw no static objects."""

    class NoSurroundings:
        def placed(self, *_: Any, **__: Any) -> list[Any]:
            return []

    vars(renderer)["_surroundings"] = NoSurroundings()
    return snapshot


def without_both(renderer: CameraRenderer, snapshot: Snapshot) -> Snapshot:
    """Ground and sky only."""
    return without_agents(renderer, without_objects(renderer, snapshot))


Change = Callable[[CameraRenderer, Snapshot], Snapshot]
CHANGES: dict[str, Change] = {
    "nothing": lambda _, snapshot: snapshot,
    "agents": without_agents,
    "static objects": without_objects,
    "agents and static objects": without_both,
}


def fastest(
    scenario: Scenario, rig: CameraRig, appearance: Appearance, repeats: int, change: Change = CHANGES["nothing"]
) -> list[float]:
    """Milliseconds of each of `COLUMNS`, and of all, in the fastest call."""
    now = scenario.observation_at(scenario.num_frames // 2)
    renderer = CameraRenderer(scenario.map, rig, appearance=appearance)
    snapshot = snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us)
    snapshot = change(renderer, snapshot)
    renderer.render(snapshot)
    calls = []
    with timed_stages() as spent:
        for _ in range(repeats):
            spent.update(dict.fromkeys(spent, 0.0))
            started = time.process_time()
            renderer.render(snapshot)
            total = time.process_time() - started
            calls.append([*spent.values(), total - sum(spent.values()), total])
    return [1e3 * seconds for seconds in min(calls, key=lambda call: call[-1])]


def compared(scenario: Scenario, repeats: int) -> TextTable:
    """Equal instance ids and CPU time of the z-buffer, beside PyTorch3D's rasteriser on the CPU."""
    table = TextTable(
        title="Beside PyTorch3D on the CPU, rigs without distortion",
        head=("rig", "equal ids", "turned by 0.2 degrees", "z-buffer [ms]", "PyTorch3D [ms]", "ratio"),
    )
    table.num_left = 1
    now = scenario.observation_at(scenario.num_frames // 2)
    snapshot = snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us)
    for name, distorted in RIGS.items():
        rig = rectified(distorted)
        renderer = CameraRenderer(scenario.map, rig)
        ids = np.concatenate([one.ravel() for one in renderer.render(snapshot).instances])
        triangles = renderer.triangles(snapshot)
        shares = []
        # The last one is the rig itself, whose time counts.
        for one in (rig.shifted(yaw_rad=np.radians(0.2)), rig):
            started = time.process_time()
            (images,) = draw([triangles], one)
            spent_ms = 1e3 * (time.process_time() - started)
            shares.append((np.concatenate([image.instances.ravel() for image in images]) == ids).mean())
        drawn_ms = fastest(scenario, rig, DAY, repeats)[COLUMNS.index("z-buffer")]
        table.add(
            name,
            f"{100 * shares[1]:.4f} %",
            f"{100 * shares[0]:.2f} %",
            f"{drawn_ms:.1f}",
            f"{spent_ms:.0f}",
            f"{spent_ms / drawn_ms:.0f}",
        )
    return table


@contextmanager
def timed_stages() -> Iterator[dict[str, float]]:
    """Seconds of CPU time by stage, added up while the context is open."""
    spent = dict.fromkeys(STAGES.values(), 0.0)
    originals = {name: getattr(rendering, name) for name in STAGES}

    def timed(name: str) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            started = time.process_time()
            result = originals[name](*values)
            spent[STAGES[name]] += time.process_time() - started
            return result

        return call

    for name in STAGES:
        setattr(rendering, name, timed(name))
    try:
        yield spent
    finally:
        for name, original in originals.items():
            setattr(rendering, name, original)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
