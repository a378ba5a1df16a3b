r"""Measure a network of scenes against unseen towns: realism beside controls, likelihood of corrupted scenes, speed.

    python benchmarks/learned_scenes.py --output results/learned_scenes
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_lines, run
from scene_samplers import snapshot_of

from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint, untrained
from simulation.generation.learned.data import scene_at, town_scenes
from simulation.generation.learned.drawing import DrawnScene, canvas_for, draw_scene
from simulation.generation.learned.generator import LearnedGenerator
from simulation.generation.learned.likelihood import scene_log_likelihoods
from simulation.generation.learned.scene import Boxes, Scene
from simulation.generation.learned.threads import one_thread
from simulation.generation.town.generator import town_settings
from simulation.realism.controls import CONTROLS, sampled
from simulation.realism.scene_statistics import STATISTICS, overlapping_agents, scene_divergences, scene_statistics
from simulation.realism.snapshots import SceneSnapshot

CORRUPTIONS = ("turned", "shifted", "faster", "larger", "overlapping")
"""Of one vehicle: turned by 60 to 180 degrees, 1 to 3 m aside, 10 to 20 m/s faster, 1.6 to 2.2 times as long and 1.3
to 1.6 times as wide, or moved onto its nearest neighbour."""


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
    egos: int = 8
    """Scenes of each instant."""
    limit: int = 400
    """Scenes that are drawn for each row."""
    pairs: int = 100
    """Pairs of a scene and its corrupted copy, for each corruption."""
    seed: int = 0
    """Of all draws."""


def main(arguments: Arguments) -> None:
    """Measure, print and write."""
    rng = np.random.default_rng(arguments.seed)
    reference = _scenes(arguments, arguments.first_town)
    held_out = _limited(reference, arguments.limit, rng)
    others = _limited(_scenes(arguments, arguments.other_town), arguments.limit, rng)
    checkpoint = Checkpoint.load(arguments.checkpoint)
    with one_thread():
        realism = realism_table(checkpoint, (reference, held_out), others, arguments.seed)
        likelihood = likelihood_table(checkpoint, held_out, arguments.pairs, arguments.seed)
        speed = speed_table(checkpoint, held_out, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    found = {"realism": realism, "likelihood": likelihood, "speed": speed, "scenes": len(held_out)}
    (arguments.output / "learned_scenes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    text = "\n\n".join(_markdown(rows) for rows in (realism, likelihood, speed))
    (arguments.output / "learned_scenes.md").write_text(text + "\n", encoding="utf-8")
    print_lines(text)


def _scenes(arguments: Arguments, first: int) -> list[Scene]:
    return [
        scene
        for number in range(arguments.towns)
        for scene in town_scenes(first + number, town_settings(number), egos=arguments.egos)
    ]


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
    """Share of pairs in which the corrupted scene is less likely, on the right maps and on shuffled ones."""
    rows = []
    for place, name in enumerate(CORRUPTIONS):
        rng = np.random.default_rng([seed, place])
        made: list[tuple[Scene, Scene]] = []
        for scene in scenes:
            other = corrupted(scene, name, rng)
            if other is not None and len(made) < pairs:
                made.append((scene, other))
        row: dict[str, Any] = {"corruption": name, "pairs": len(made)}
        for column, change in (("right", _same), ("shuffled maps", _with_shuffled_map)):
            good, bad = ([change(pair[side], seed) for pair in made] for side in (0, 1))
            scores = [
                [float(values.sum()) + none for values, none in scene_log_likelihoods(checkpoint.network, part)]
                for part in (good, bad)
            ]
            row[column] = float(np.mean(np.array(scores[0]) > np.array(scores[1])))
        rows.append(row)
    return rows


def corrupted(scene: Scene, name: str, rng: np.random.Generator) -> Scene | None:
    """The scene with one vehicle changed; None when no vehicle is left that a scene can represent."""
    boxes = scene.agents.boxes(scene.window)
    candidates = np.flatnonzero((scene.agents.classes == 0) & (np.arange(len(scene.agents)) != scene.ego))
    if not len(candidates):
        return None
    row = int(rng.choice(candidates))
    poses, sizes, speeds = boxes.poses.copy(), boxes.sizes.copy(), boxes.speeds_mps.copy()
    sign = rng.choice([-1.0, 1.0])
    if name == "turned":
        poses[row, 2] += sign * np.deg2rad(rng.uniform(60.0, 180.0))
    elif name == "shifted":
        aside = sign * rng.uniform(1.0, 3.0)
        poses[row, :2] += aside * np.array([-np.sin(poses[row, 2]), np.cos(poses[row, 2])])
    elif name == "faster":
        speeds[row] += rng.uniform(10.0, 20.0)
    elif name == "larger":
        sizes[row] *= [rng.uniform(1.6, 2.2), rng.uniform(1.3, 1.6)]
    else:
        apart = np.hypot(*(poses[:, :2] - poses[row, :2]).T)
        apart[row] = np.inf
        poses[row, :2] = poses[int(np.argmin(apart)), :2] + rng.uniform(-1.0, 1.0, 2)
    changed = Boxes(poses, sizes, speeds, boxes.kinds)
    found = scene_at(scene.window.map, changed, scene.ego, scene.lights)
    return found if found is not None and len(found.agents) == len(scene.agents) else None


def _same(scene: Scene, seed: int) -> Scene:
    return scene


def _with_shuffled_map(scene: Scene, seed: int) -> Scene:
    """The scene with the features of its pieces in another order: the network gets a wrong map."""
    features = scene.piece_features
    other = replace(scene)
    order = np.random.default_rng(seed).permutation(len(features))
    vars(other)["piece_features"] = features[order]
    return other


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
