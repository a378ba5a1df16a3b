r"""Accuracy and calibration of a student's heads on held-out labelled states.

    python scripts/label.py --data worlds_test --vocabulary vocabulary_1024.npz --output labels_test
    python benchmarks/heads.py --student checkpoints/first --labels labels_test
    python benchmarks/heads.py --student checkpoints/first --labels labels_test --picture heads.png

Scores all states of the folders, each with the candidates that a planner would select. Prints, per sub-score, the
area under the ROC curve and the expected calibration error (mean difference between prediction and the teacher's
score, in ten bins), and draws predictions against the teacher's scores. For binary sub-scores, the teacher's mean is
the share of positive candidates.
"""

import os

# Before torch starts its threads: idle threads would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run
from tables import TextTable
from tyro.conf import UseAppendAction

from distill.evaluation import NUM_BINS, Calibration, Evaluation, evaluate
from distill.labels import LabelHeader, LabelStore, joined
from distill.samples import Samples
from distill.teacher import load_teacher
from planning.neural.network import Student

TARGET_AUC = 0.85
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "heads.png"
_COLUMNS = 3
_MEAN_COLOR, _SHARE_COLOR = "#1f5f8b", "#c9d3da"


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Student and labels."""

    student: Path
    """Checkpoint folder."""
    labels: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Folder of scripts/label.py; may be repeated."""
    teacher: str = "rules"
    """Name of the teacher of the labels."""
    picture: Path = PICTURE
    """File of the calibration plot."""
    threads: int = 1
    """Threads of torch."""


def main(arguments: Arguments) -> None:
    """Evaluate, print, draw."""
    if not arguments.labels:
        raise ValueError("Name at least one folder of labels, for example --labels labels_test.")
    torch.set_num_threads(arguments.threads)
    student = Student.load(arguments.student)
    if not student.network.sub_scores:
        raise ValueError(
            f"The student in {arguments.student} was trained by imitation only: it has no heads of sub-scores."
        )
    needed = LabelHeader.of(load_teacher(arguments.teacher, student.vocabulary))
    stores = [LabelStore(folder) for folder in arguments.labels]
    for store in stores:
        store.header.require(needed, store.folder)
    states = joined([store.read() for store in stores])
    found = evaluate(student, Samples(states, student.vocabulary))
    scenarios = len(set(states.scenario_ids))
    table = table_of(found, f"{arguments.student.name}: {len(states)} states of {scenarios} scenarios")
    console.print(table.printed())
    console.print(
        f"Teacher score of the chosen candidates {found.chosen_score:.3f}, of the best {found.best_score:.3f}."
    )
    low = [name for name, area in found.auc.items() if area < TARGET_AUC]
    console.print(
        f"AUC below {TARGET_AUC}: {', '.join(low)}." if low else f"AUC {TARGET_AUC} or above wherever violated.",
        style="bold",
    )
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(found.calibration, arguments.picture)
    console.print(f"Calibration plot: {arguments.picture}", soft_wrap=True)


def table_of(found: Evaluation, title: str) -> TextTable:
    """One row per sub-score."""
    table = TextTable(
        title=title, head=("sub-score", "AUC", "calibration error", "positive", "chosen candidate positive")
    )
    for name, area in found.auc.items():
        table.add(
            name,
            "never violated" if np.isnan(area) else f"{area:.3f}",
            f"{found.calibration[name].expected_error:.3f}",
            f"{found.positive_share[name]:.1%}",
            f"{found.chosen_positive[name]:.1%}",
        )
    return table


def draw(calibration: dict[str, Calibration], path: Path) -> None:
    """One panel per sub-score: the teacher's mean over the prediction, and the distribution of predictions."""
    rows = -(-len(calibration) // _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(3.2 * _COLUMNS, 2.9 * rows), layout="constrained", squeeze=False
    )
    for axis, (name, bins) in zip(axes.flat, calibration.items(), strict=False):
        draw_panel(axis, name, bins)
    for axis in axes.flat[len(calibration) :]:
        axis.set_axis_off()
    figure.supxlabel("prediction of the head", fontsize=10)
    figure.supylabel("mean of the teacher (line); share of candidates (bars)", fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_panel(axis: Axes, name: str, bins: Calibration) -> None:
    """The bins of one sub-score; the dotted line is perfect calibration."""
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    shares = bins.counts / bins.counts.sum()
    axis.bar(
        edges[:-1], shares, width=1.0 / NUM_BINS, align="edge", color=_SHARE_COLOR, edgecolor="white", linewidth=0.5
    )
    axis.plot([0.0, 1.0], [0.0, 1.0], color="grey", linestyle=":", linewidth=1.0)
    filled = bins.counts > 0
    axis.plot(
        bins.predicted[filled], bins.observed[filled], marker="o", markersize=3.5, color=_MEAN_COLOR, linewidth=1.3
    )
    axis.set(xlim=(0.0, 1.0), ylim=(0.0, 1.02), xticks=[0.0, 0.5, 1.0], yticks=[0.0, 0.5, 1.0])
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.tick_params(labelsize=8)
    axis.set_title(f"{name.replace('_', ' ')} (error {bins.expected_error:.3f})", fontsize=9)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
