r"""Measure a network of scenes against unseen towns: realism beside controls, likelihood of corrupted scenes, speed.

    python benchmarks/learned_scenes.py --output results/learned_scenes
    python benchmarks/learned_scenes.py --calibrated --output results/learned_scenes_calibrated
    python benchmarks/learned_scenes.py --checkpoint checkpoints/scenes --first-town 3000 --output results/mine

The held-out scenes are instants of towns from --first-town on; the training scenes of the controls, and the row of
other towns, are those of towns from --other-town on. Prints and writes tables in Markdown and JSON.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_lines, run
from scene_corruptions import CORRUPTIONS, Pair, corrupted, on_other_map, with_shuffled_features
from scene_samplers import snapshot_of

from driving.names import unknown_name
from simulation.benchmark.provenance import provenance
from simulation.files import write_atomically
from simulation.generation.learned.canvas import DrawnScene
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint, untrained
from simulation.generation.learned.data import town_scenes
from simulation.generation.learned.drawing import canvas_for, draw_scene
from simulation.generation.learned.generator import LearnedGenerator
from simulation.generation.learned.likelihood import scene_log_likelihoods
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.threads import one_thread
from simulation.generation.town.calibrated_traffic import with_calibration
from simulation.generation.town.generator import town_settings
from simulation.generation.town.layout import TownSettings
from simulation.generation.town.recorded import RECORDED
from simulation.realism.controls import CONTROLS, sampled
from simulation.realism.scene_statistics import STATISTICS, overlapping_agents, scene_divergences, scene_statistics
from simulation.realism.snapshots import SceneSnapshot

TABLES = ("realism", "likelihood", "speed")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Checkpoint and towns."""

    output: Path
    """Folder of the tables."""
    checkpoint: Path = SHIPPED
    """Folder of the network."""
    first_town: int = 2000
    """Seed of the first held-out town."""
    towns: int = 4
    """Number of held-out towns, and of other towns."""
    other_town: int = 1000
    """Seed of the first other town."""
    calibrated: bool = False
    """Towns with the sizes, lateral offsets, gaps and speeds of recorded traffic."""
    egos: int = 8
    """Scenes of each instant."""
    limit: int = 400
    """Scenes that are drawn for each row."""
    pairs: int = 100
    """Pairs of a scene and its corrupted copy, for each corruption."""
    tables: str = "realism,likelihood,speed"
    """What is measured, separated by commas."""
    seed: int = 0
    """Of all draws."""


def main(arguments: Arguments) -> None:
    """Measure, print and write."""
    names = arguments.tables.split(",")
    for name in names:
        if name not in TABLES:
            raise KeyError(unknown_name("table", name, TABLES))
    rng = np.random.default_rng(arguments.seed)
    reference = _scenes(arguments, arguments.first_town)
    held_out = _limited(reference, arguments.limit, rng)
    checkpoint = Checkpoint.load(arguments.checkpoint)
    found: dict[str, Any] = {}
    with one_thread():
        if "realism" in names:
            others = _limited(_scenes(arguments, arguments.other_town), arguments.limit, rng)
            found["realism"] = realism_table(checkpoint, (reference, held_out), others, arguments.seed)
        if "likelihood" in names:
            found["likelihood"] = likelihood_table(checkpoint, held_out, arguments.pairs, arguments.seed)
        if "speed" in names:
            found["speed"] = speed_table(checkpoint, held_out, arguments.seed)
    text = "\n\n".join(_markdown(rows) for rows in found.values())
    content = {**provenance(), **found, "scenes": len(held_out), "reference": len(reference)}
    write_atomically(arguments.output / "learned_scenes.json", (json.dumps(content, indent=2) + "\n").encode())
    write_atomically(arguments.output / "learned_scenes.md", (text + "\n").encode())
    print_lines(text)


def _scenes(arguments: Arguments, first: int) -> list[Scene]:
    return [
        scene
        for number in range(arguments.towns)
        for scene in town_scenes(first + number, _settings(arguments, number), egos=arguments.egos)
    ]


def _settings(arguments: Arguments, number: int) -> TownSettings:
    settings = town_settings(number)
    return with_calibration(settings, RECORDED) if arguments.calibrated else settings


def _limited(scenes: list[Scene], limit: int, rng: np.random.Generator) -> list[Scene]:
    rows = np.sort(rng.permutation(len(scenes))[:limit])
    return [scenes[row] for row in rows]


# ---------------------------------------------------------------------- realism


def realism_table(
    checkpoint: Checkpoint, unseen: tuple[list[Scene], list[Scene]], others: list[Scene], seed: int
) -> list[dict[str, Any]]:
    """A row for each way to fill the maps of the held-out scenes.

    Args:
        checkpoint: The network.
        unseen: All held-out scenes, which are the reference, and those that are drawn anew.
        others: Scenes of other towns.
        seed: Of all draws.
    """
    held_out = unseen[1]
    reference = scene_statistics(snapshot_of(scene).in_field() for scene in unseen[0])
    rows = [_row("the same scenes", [snapshot_of(scene) for scene in held_out], reference)]
    rows.append(_row("other towns", [snapshot_of(scene) for scene in others], reference))
    for name, is_masked in (("learned", True), ("learned, network alone", False)):
        rows.append(_learned_row(name, checkpoint, held_out, reference, (seed, is_masked)))
    random = untrained(checkpoint.levels, seed, checkpoint.network.config)
    rows.append(_learned_row("untrained network", random, held_out[:8], reference, (seed, True)))
    training = [snapshot_of(scene).in_field() for scene in others]
    for name, control in CONTROLS.items():
        targets = [snapshot_of(scene).in_field() for scene in held_out]
        rows.append(_row(name, sampled(control(training), targets, seed), reference))
    return rows


def _learned_row(
    name: str, checkpoint: Checkpoint, scenes: list[Scene], reference: Any, how: tuple[int, bool]
) -> dict[str, Any]:
    seed, is_masked = how
    found: list[SceneSnapshot] = []
    drawn: list[DrawnScene] = []
    begin_s = time.process_time()
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng([seed, number])
        canvas = canvas_for(checkpoint.network, scene.window, scene.lights)
        one = draw_scene(checkpoint.network, canvas, rng, is_masked=is_masked)
        drawn.append(one)
        found.append(snapshot_of(Scene(window=scene.window, agents=one.agents, ego=0)))
    used_s = time.process_time() - begin_s
    agents = sum(len(one.agents) for one in drawn)
    return {
        **_row(name, found, reference),
        "blocked draws": sum(one.num_blocked for one in drawn) / agents,
        "off-road draws": sum(one.num_off_road for one in drawn) / agents,
        "dropped": sum(one.num_dropped for one in drawn) / agents,
        "ms": used_s / len(scenes) * 1e3,
    }


def _row(name: str, snapshots: Sequence[SceneSnapshot], reference: Any) -> dict[str, Any]:
    statistics = scene_statistics(one.in_field() for one in snapshots)
    divergences = scene_divergences(statistics, reference)
    agents = sum(len(one.kinds) for one in snapshots)
    vehicles = sum(int(one.is_vehicle.sum()) for one in snapshots)
    return {
        "sampler": name,
        **{key: divergences[key] for key in ("six", "pair", *STATISTICS)},
        "overlaps": sum(int(overlapping_agents(one).sum()) for one in snapshots) / agents,
        "off_lane": statistics.off_lane_share,
        "off_road": sum(_num_off_road(one) for one in snapshots) / max(vehicles, 1),
        "agents": agents / len(snapshots),
    }


def _num_off_road(snapshot: SceneSnapshot) -> int:
    """Vehicles, parked ones included, with a centre outside of the drivable area."""
    inside = snapshot.map.drivable_area.contains(np.ascontiguousarray(snapshot.poses[:, :2]))
    return int((snapshot.is_vehicle & ~inside).sum())


# ---------------------------------------------------------------------- likelihood


def likelihood_table(checkpoint: Checkpoint, scenes: list[Scene], pairs: int, seed: int) -> list[dict[str, Any]]:
    """Share of pairs in which the corrupted scene is less likely, on the right map and on two kinds of wrong ones."""
    rows = []
    for place, name in enumerate(CORRUPTIONS):
        rng = np.random.default_rng([seed, place])
        made: list[Pair] = []
        moved: list[Pair] = []
        for scene in scenes:
            other = corrupted(scene, name, rng)
            if other is not None and len(made) < pairs:
                made.append((scene, other))
        for pair in made:
            on_wrong = on_other_map(pair, scenes[int(rng.integers(len(scenes)))])
            moved += [] if on_wrong is None else [on_wrong]
        shuffled = [(with_shuffled_features(one, seed), with_shuffled_features(two, seed)) for one, two in made]
        rows.append(
            {
                "corruption": name,
                "pairs": len(made),
                "right": ranked_right(checkpoint, made),
                "shuffled features": ranked_right(checkpoint, shuffled),
                "pairs on another map": len(moved),
                "another map": ranked_right(checkpoint, moved),
            }
        )
    return rows


def ranked_right(checkpoint: Checkpoint, pairs: Sequence[Pair]) -> float:
    """Share of the pairs whose corrupted scene is less likely; NaN without pairs."""
    if not pairs:
        return float("nan")
    scores = [
        np.array(
            [
                float(values.sum()) + none
                for values, none in scene_log_likelihoods(checkpoint.network, [pair[side] for pair in pairs])
            ]
        )
        for side in (0, 1)
    ]
    return float(np.mean(scores[0] > scores[1]))


# ---------------------------------------------------------------------- speed


def speed_table(checkpoint: Checkpoint, scenes: list[Scene], seed: int) -> list[dict[str, Any]]:
    """CPU time of one thread, compilation not included."""
    generator = LearnedGenerator(checkpoint, scenes[0].window.map)
    generator.record(seed)
    jobs: dict[str, Callable[[int], object]] = {
        "draw a scene": lambda number: _draw(checkpoint, scenes[number % len(scenes)], number),
        "scenario with its roll-out": lambda number: generator.record(seed + 1 + number),
        "log-likelihood": lambda number: scene_log_likelihoods(checkpoint.network, [scenes[number % len(scenes)]]),
    }
    rows = []
    for name, job in jobs.items():
        begin_s = time.process_time()
        for number in range(20):
            job(number)
        used_s = (time.process_time() - begin_s) / 20
        rows.append({"what": name, "ms": used_s * 1e3, "per minute and core": 60.0 / used_s})
    return rows


def _draw(checkpoint: Checkpoint, scene: Scene, number: int) -> DrawnScene:
    canvas = canvas_for(checkpoint.network, scene.window, scene.lights)
    return draw_scene(checkpoint.network, canvas, np.random.default_rng(number))


def _markdown(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        cells = [row.get(name, "") for name in names]
        lines.append("| " + " | ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
