"""Realism as a table: generated data beside controls and the floor, each against held-out recordings.

Each fold of recordings is held out once. The floor is the other recordings: no generator can be expected to be nearer
to the held-out ones than recordings of other places are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulation.realism.controls import Control, sampled
from simulation.realism.maps import MapStatistics, map_distances
from simulation.realism.rollouts import RolloutStatistics, joined, rollout_divergences
from simulation.realism.scene_statistics import SceneStatistics, scene_divergences, scene_statistics
from simulation.realism.sources import Measured, folds_of

FLOOR = "other recordings"
HELD_OUT = "recordings"
"""All recordings: the series that the others are compared with in the plots."""
CONSTANT_VELOCITY = "constant velocity"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of data against held-out recordings."""

    kind: str
    fold: int
    """-1 for the mean over the folds."""
    values: Mapping[str, float]
    """Divergences and shares by column."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Rows per fold, and the samples of each kind over all folds for the plots."""

    folds: list[list[str]]
    """Recordings of each fold."""
    scenes: list[Row] = field(default_factory=list)
    rollouts: list[Row] = field(default_factory=list)
    maps: list[Row] = field(default_factory=list)
    scene_samples: dict[str, SceneStatistics] = field(default_factory=dict)
    """By kind; `HELD_OUT` for all recordings."""
    rollout_samples: dict[str, RolloutStatistics] = field(default_factory=dict)
    map_samples: dict[str, list[MapStatistics]] = field(default_factory=dict)


def compare(
    recorded: Measured, data: Mapping[str, Measured], controls: Mapping[str, Control], *, folds: int, seed: int
) -> Comparison:
    """Compare data and controls with each held-out fold of recordings.

    Args:
        recorded: The recordings.
        data: Generated data by name, the same for all folds.
        controls: Made from the recordings that are not held out.
        folds: Number of folds.
        seed: Of the controls.

    Raises:
        ValueError: When there are too few recordings for the folds.
    """
    names = folds_of(recorded.sources, folds)
    found = Comparison(folds=names)
    fixed = {kind: scene_statistics(one.snapshots) for kind, one in data.items()}
    drawn: dict[str, list] = {kind: [] for kind in controls}
    for fold, chosen in enumerate(names):
        held_out = recorded.of(chosen)
        others = recorded.of([name for name in recorded.sources if name not in chosen])
        statistics = scene_statistics(held_out.snapshots)
        kinds = {**fixed, FLOOR: scene_statistics(others.snapshots)}
        for kind, control in controls.items():
            scenes = sampled(control(others.snapshots), held_out.snapshots, seed)
            drawn[kind] += scenes
            kinds[kind] = scene_statistics(scenes)
        found.scenes.extend(
            Row(kind=kind, fold=fold, values=_scene_values(one, statistics)) for kind, one in kinds.items()
        )
        _compare_rollouts(found, fold, (held_out, others), data)
        _compare_maps(found, fold, (held_out, others), data)
    found.scene_samples.update({HELD_OUT: scene_statistics(recorded.snapshots), **fixed})
    found.scene_samples.update({kind: scene_statistics(scenes) for kind, scenes in drawn.items()})
    found.rollout_samples[HELD_OUT] = joined(list(recorded.rollouts.values()))
    found.rollout_samples.update({kind: joined(list(one.rollouts.values())) for kind, one in data.items()})
    found.rollout_samples[CONSTANT_VELOCITY] = joined(list(recorded.straight.values()))
    found.map_samples.update({HELD_OUT: recorded.map_statistics()})
    found.map_samples.update({kind: one.map_statistics() for kind, one in data.items()})
    return found


def _scene_values(found: SceneStatistics, held_out: SceneStatistics) -> dict[str, float]:
    return {
        **scene_divergences(found, held_out),
        "overlaps": found.overlap_share,
        "off_lane": found.off_lane_share,
        "snapshots": float(found.num_snapshots),
    }


def _compare_rollouts(
    found: Comparison, fold: int, parts: tuple[Measured, Measured], data: Mapping[str, Measured]
) -> None:
    held_out, others = parts
    logged = joined(list(held_out.rollouts.values()))
    kinds = {kind: joined(list(one.rollouts.values())) for kind, one in data.items()}
    kinds[FLOOR] = joined(list(others.rollouts.values()))
    kinds[CONSTANT_VELOCITY] = joined(list(held_out.straight.values()))
    kinds["log"] = logged
    for kind, one in kinds.items():
        values = {
            **rollout_divergences(one, logged),
            "colliding": one.colliding_share,
            "off_road": one.off_road_share,
            "agents": float(one.num_agents),
        }
        found.rollouts.append(Row(kind=kind, fold=fold, values=values))


def _compare_maps(
    found: Comparison, fold: int, parts: tuple[Measured, Measured], data: Mapping[str, Measured]
) -> None:
    held_out, others = (part.map_statistics() for part in parts)
    kinds = {**{kind: one.map_statistics() for kind, one in data.items()}, FLOOR: others}
    for kind, one in kinds.items():
        found.maps.append(Row(kind=kind, fold=fold, values={**map_distances(one, held_out), "maps": float(len(one))}))


def means(rows: Sequence[Row]) -> list[Row]:
    """The mean of each kind over its folds, in the order of the kinds."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    return [
        Row(
            kind=kind,
            fold=-1,
            values={
                column: float(np.mean([row.values[column] for row in rows if row.kind == kind]))
                for column in rows[0].values
            },
        )
        for kind in kinds
    ]
