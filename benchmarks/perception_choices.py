r"""Training choices of the perception network, each against its control at equal processor time.

    python benchmarks/perception_choices.py --data worlds --validation held_out --output choices --processes 2
    python benchmarks/perception_choices.py --data worlds --validation held_out --choice lift --output choices

    lift           Lift-Splat against the pull lift, with all labels
    pretraining    a Swin backbone after masked-image modelling (SimMIM) against a random start, with few labels
    distillation   features of a wider network, trained with all labels, as targets, against none, with few labels
    backbone       Swin against ResNet, with all labels

Few labels are a tenth of the states, another tenth with each seed; the pretraining uses the images of all states.
Networks are those of the recipe `tiny` at half the image size, on a smaller grid and without past frames, so that a
run takes minutes. The control has as many steps as cost the same (`Choice.control_steps`); the column "CPU s" shows
what was spent. The teacher's own training is listed, but belongs to no budget. Variants of a seed have the same first
batches. Finished runs are kept in OUTPUT/runs.jsonl and are not trained again; an interrupted run starts again. After
a change of the code, use a new folder.
"""

import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, require_count, run
from perception_rigs import CLASSES, evaluated
from perception_scores import opened
from real_images import all_images
from tables import TextTable

from driving.names import unknown_name
from driving.scenario import Scenario
from perception.backbones.swin import SwinBackbone
from perception.checkpoint import Checkpoint
from perception.evaluation import CameraChange
from perception.grid import BevGrid
from perception.images import network_images
from perception.network import PerceptionConfig
from perception.pretraining import MaskSettings, average_distance_px, pretrain, random_masks
from perception.samples import RenderedSamples, SampleSettings, validation_settings
from perception.training import Trainer, TrainingBatch, TrainingConfig, tiny
from simulation.benchmark.provenance import provenance

MIN_SD = 2.0
"""A choice helps when its mean IoU exceeds that of the control by this many standard deviations."""
BATCH_STATES = 8
REAL_PER_BATCH = 8
"""Recorded images among the rendered ones (six per state) of a batch of the pretraining."""
MASKS = MaskSettings()
SETTINGS = SampleSettings(past_steps=(), rare_repeats=1)
RESNET = replace(
    tiny().network, image_size=(64, 192), grid=BevGrid(x_min_m=-16.0, x_max_m=24.0, y_min_m=-16.0, y_max_m=16.0)
)
SWIN = replace(RESNET, backbone="swin_v1")
WIDE = replace(RESNET, backbone="resnet_w32", image_channels=64, bev_channels=64, head_channels=64)
SWIN_RATE, RESNET_RATE = 1e-3, 2e-3
"""Highest learning rates."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to train."""

    name: str
    network: PerceptionConfig
    has_few_labels: bool = False
    is_pretrained: bool = False
    is_distilled: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A variant and its control. The costs are ratios of CPU time, measured at the sizes of this file."""

    control: Variant
    tested: Variant
    step_cost: float
    """Of a training step of the tested variant, relative to one of the control."""
    pretraining_cost: float = 0.0
    """Of a pretraining step, relative to a training step of the control."""

    def control_steps(self, steps: int, pretraining_steps: int) -> int:
        """Training steps of the control at the cost of the tested variant."""
        return round(steps * self.step_cost + pretraining_steps * self.pretraining_cost)


CHOICES = {
    "lift": Choice(
        control=Variant(name="pull lift", network=RESNET),
        tested=Variant(name="Lift-Splat", network=replace(RESNET, lift="splat")),
        step_cost=1.07,
    ),
    "pretraining": Choice(
        control=Variant(name="Swin, random start", network=SWIN, has_few_labels=True),
        tested=Variant(name="Swin, SimMIM", network=SWIN, has_few_labels=True, is_pretrained=True),
        step_cost=1.0,
        pretraining_cost=0.65,
    ),
    "distillation": Choice(
        control=Variant(name="no teacher", network=RESNET, has_few_labels=True),
        tested=Variant(name="distilled features", network=RESNET, has_few_labels=True, is_distilled=True),
        step_cost=1.25,
    ),
    "backbone": Choice(
        control=Variant(name="ResNet", network=RESNET), tested=Variant(name="Swin", network=SWIN), step_cost=1.4
    ),
}
TEACHER = Variant(name="teacher, all labels", network=WIDE)


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, choices and budget."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios to train on; may be repeated."""
    validation: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with other scenarios; may be repeated."""
    output: Path
    """Folder of runs and results."""
    choice: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """lift, pretraining, distillation or backbone; may be repeated. [the first three]"""
    steps: int = 200
    """Training steps of each tested variant."""
    pretraining_steps: int = 200
    """Steps of the masked-image modelling."""
    teacher_steps: int = 400
    """Training steps of the teacher."""
    seeds: int = 3
    """Trainings per variant."""
    labels: float = 0.1
    """Share of the states that have labels, where they are few."""
    states: int = 100
    """Validation states, drawn at random."""
    recordings: Path | None = None
    """Folder with `nuscenes_mini` and `tri_dgp`: the pretraining also uses their images."""
    processes: int = 1
    """Processes, each with one thread of torch."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training with its evaluation."""

    variant: Variant
    seed: int
    steps: int
    data: tuple[Path, ...]
    validation: tuple[Path, ...]
    states: int
    labels: float = 1.0
    pretraining_steps: int = 0
    recordings: Path | None = None
    teacher: "Job | None" = None

    @property
    def key(self) -> str:
        """Name of its folder and of its line among the results, with a digest of all settings."""
        digest = hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()
        return f"{self.variant.name.replace(', ', ' ').replace(' ', '_')}-seed{self.seed}-{digest}"


class TimedSamples:
    """Some of the states; keeps the CPU time of each batch."""

    def __init__(self, samples: RenderedSamples, rows: Int64[np.ndarray, "states"]) -> None:
        self.samples, self.rows = samples, rows
        self.batches_s: list[float] = []

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Int64[np.ndarray, "rows"], rng: np.random.Generator) -> TrainingBatch:
        """See `training.Samples`."""
        start_s = time.process_time()
        made = self.samples.batch(self.rows[rows], rng)
        self.batches_s.append(time.process_time() - start_s)
        return made

    def image_batches(
        self, steps: int, seed: int, recorded: UInt8[np.ndarray, "images height width 3"] | None
    ) -> Iterator[Float[Tensor, "B 3 H W"]]:
        """Images of random states, and some of the recorded ones."""
        for step in range(steps):
            start_s = time.process_time()
            rng = np.random.default_rng([seed, step])
            rows = np.sort(rng.integers(0, len(self), BATCH_STATES))
            images = self.samples.images(self.rows[rows], rng)
            if recorded is not None:
                drawn = recorded[rng.integers(0, len(recorded), REAL_PER_BATCH)]
                images = torch.cat([images, network_images(drawn)])
            self.batches_s.append(time.process_time() - start_s)
            yield images

    @property
    def typical_s(self) -> float:
        """CPU time of all batches without that of drawing the ground, which a process keeps for later runs."""
        return float(np.median(self.batches_s)) * len(self.batches_s)


def main(arguments: Arguments) -> None:
    """Train what is missing, and print the tables."""
    for option in ("steps", "pretraining_steps", "teacher_steps", "states", "processes"):
        require_count(f"--{option.replace('_', '-')}", getattr(arguments, option))
    if not arguments.data or not arguments.validation:
        raise ValueError("Name data roots of scenarios: --data worlds --validation held_out.")
    if arguments.seeds < 2:
        raise ValueError(f"--seeds must be at least 2 for a standard deviation, got {arguments.seeds}.")
    if not 0 < arguments.labels <= 1:
        raise ValueError(f"--labels is a share above 0 and up to 1, got {arguments.labels:g}.")
    wanted = {name: jobs_of(arguments, name) for name in arguments.choice or tuple(CHOICES)[:3]}
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / "runs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = {found["key"]: found for found in map(json.loads, lines)}
    # The teacher first: other networks need it, and it takes longest.
    jobs = sorted((job for each in wanted.values() for job in each), key=lambda job: job.variant != TEACHER)
    unique = {job.key: job for job in jobs}
    missing = [job for key, job in unique.items() if key not in known]
    with progress(arguments) as bar, path.open("a", encoding="utf-8") as journal:
        for found in bar.track(results_of(missing, arguments), total=len(missing), description="runs"):
            known[found["key"]] = found
            journal.write(json.dumps(found) + "\n")
            journal.flush()
            if not arguments.quiet:
                print_line(f"{found['key']}: {cpu_s(found):.0f} CPU s, mean IoU {mean_iou(found['iou']):.3f}")
    results = {name: [(job.variant, known[job.key]) for job in jobs] for name, jobs in wanted.items()}
    for title, measure in (("IoU at 0.5", "iou"), ("IoU at the best threshold", "best_iou")):
        print_lines(score_table(title, measure, results).markdown())
    for name, runs in results.items():
        print_line(verdict(CHOICES[name], runs))
    print_lines("\n".join(about_pretraining(known[job.key]) for job in unique.values() if job.variant.is_pretrained))
    about = provenance()
    print_line(
        f"{arguments.seeds} seeds, batches of {BATCH_STATES} states, {arguments.states} validation states; few labels"
        f" are those of {100 * arguments.labels:g} % of the states; commit {about['commit']}; {about['hardware']}"
    )


def jobs_of(arguments: Arguments, name: str) -> list[Job]:
    """The runs of one choice.

    Raises:
        KeyError: When there is no such choice.
    """
    if name not in CHOICES:
        raise KeyError(unknown_name("choice named", name, CHOICES))
    choice, steps = CHOICES[name], arguments.steps
    pretraining_steps = arguments.pretraining_steps if choice.tested.is_pretrained else 0
    control_steps = choice.control_steps(steps, pretraining_steps)
    teacher = Job(
        variant=TEACHER,
        seed=0,
        steps=arguments.teacher_steps,
        data=arguments.data,
        validation=arguments.validation,
        states=arguments.states,
    )
    jobs = [teacher] if choice.tested.is_distilled else []
    for variant in (choice.control, choice.tested):
        jobs += [
            replace(
                teacher,
                variant=variant,
                seed=seed,
                steps=steps if variant is choice.tested else control_steps,
                labels=arguments.labels if variant.has_few_labels else 1.0,
                pretraining_steps=pretraining_steps if variant.is_pretrained else 0,
                recordings=arguments.recordings if variant.is_pretrained else None,
                teacher=teacher if variant.is_distilled else None,
            )
            for seed in range(arguments.seeds)
        ]
    return jobs


def results_of(jobs: list[Job], arguments: Arguments) -> Iterator[dict[str, Any]]:
    """Results as they are finished; networks with a teacher are trained after all others."""
    phases = [[job for job in jobs if (job.teacher is not None) == is_late] for is_late in (False, True)]
    if arguments.processes == 1:
        for job in (*phases[0], *phases[1]):
            yield result_of(job, arguments.output)
        return
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        for phase in phases:
            for done in as_completed([pool.submit(result_of, job, arguments.output) for job in phase]):
                yield done.result()


def result_of(job: Job, output: Path) -> dict[str, Any]:
    """Train and evaluate one network."""
    torch.set_num_threads(1)
    folder = folder_of(job, output)
    shutil.rmtree(folder, ignore_errors=True)
    samples = RenderedSamples(scenarios_of(job.data), SETTINGS, job.variant.network)
    states = np.random.default_rng(job.seed).permutation(len(samples))
    labelled = TimedSamples(samples, states[: max(1, round(job.labels * len(states)))])
    unlabelled = TimedSamples(samples, states)
    trainer = Trainer(
        training_config(job),
        labelled,
        folder,
        teacher=Checkpoint.load(folder_of(job.teacher, output)).network if job.teacher else None,
    )
    # The first optimizer of a process loads modules for seconds.
    start_s = time.process_time()
    pretraining = pretrained(job, trainer.network.backbone, unlabelled) if job.pretraining_steps else None
    trainer.run()
    network_s = time.process_time() - start_s - sum(labelled.batches_s) - sum(unlabelled.batches_s)
    rendering_s = labelled.typical_s + (unlabelled.typical_s if pretraining else 0.0)
    network = Checkpoint.load(folder).network
    held_out = RenderedSamples(scenarios_of(job.validation), validation_settings(SETTINGS), network.config)
    rows = np.random.default_rng(0).permutation(len(held_out))[: job.states].tolist()
    grids = evaluated(held_out, {"": CameraChange()}, rows, network)[""].grids
    return {
        "key": job.key,
        "steps": job.steps,
        "labelled_states": len(labelled),
        "network_cpu_s": network_s,
        "rendering_cpu_s": rendering_s,
        "iou": {name: grids[name, "all"].iou() for name in CLASSES},
        "best_iou": {name: grids[name, "all"].best()[0] for name in CLASSES},
        "pretraining": pretraining,
    }


def training_config(job: Job) -> TrainingConfig:
    """The settings of `tiny` with a schedule for few steps."""
    return replace(
        tiny(),
        network=job.variant.network,
        steps=job.steps,
        batch_size=BATCH_STATES,
        learning_rate=SWIN_RATE if job.variant.network.backbone.startswith("swin") else RESNET_RATE,
        warmup_steps=max(1, job.steps // 10),
        seed=job.seed,
        checkpoint_every_s=math.inf,
    )


def pretrained(job: Job, backbone: nn.Module, samples: TimedSamples) -> dict[str, float]:
    """Train the trunk by masked-image modelling; returns the first and the last losses, and AvgDist."""
    assert isinstance(backbone, SwinBackbone)
    size = job.variant.network.image_size
    recorded = all_images(job.recordings, size) if job.recordings else None
    losses: list[float] = []
    batches = samples.image_batches(job.pretraining_steps, job.seed, recorded)
    pretrain(backbone.trunk, batches, MASKS, seed=job.seed, report=lambda _, loss: losses.append(loss))
    few = max(1, len(losses) // 10)
    return {
        "steps": job.pretraining_steps,
        "states": len(samples),
        "recorded_images": 0 if recorded is None else len(recorded),
        "first_loss": float(np.mean(losses[:few])),
        "last_loss": float(np.mean(losses[-few:])),
        "average_distance_px": average_distance_px(random_masks(200, size, MASKS, np.random.default_rng(job.seed))),
    }


def folder_of(job: Job, output: Path) -> Path:
    """Of the checkpoint and the curves of a run."""
    return output / "runs" / job.key


@lru_cache
def scenarios_of(data: tuple[Path, ...]) -> list[Scenario]:
    """Opened once per process, so that the drawn ground of their maps is kept."""
    return opened(data)


def cpu_s(found: dict[str, Any]) -> float:
    """Processor time of a run without its evaluation."""
    return float(found["network_cpu_s"] + found["rendering_cpu_s"])


def mean_iou(ious: dict[str, float]) -> float:
    """Mean over the classes that occur."""
    return float(np.nanmean([ious[name] for name in CLASSES]))


def score_table(title: str, measure: str, results: dict[str, list[tuple[Variant, dict[str, Any]]]]) -> TextTable:
    """Mean and standard deviation over the seeds, and differences to the control in standard deviations."""
    table = TextTable(title=title, head=("variant", "labels", "steps", "CPU s", *CLASSES, "mean"), num_left=1)
    for name, found in results.items():
        choice = CHOICES[name]
        for variant in dict.fromkeys(variant for variant, _ in found):
            runs = [result for each, result in found if each == variant]
            scores = columns(runs, measure)
            spread = scores.std(axis=0, ddof=1) if len(runs) > 1 else np.full(scores.shape[1], np.nan)
            cells = [
                f"{mean:.3f} ± {sd:.3f}" if np.isfinite(sd) else f"{mean:.3f}"
                for mean, sd in zip(scores.mean(axis=0), spread, strict=True)
            ]
            cost = f"{np.mean([cpu_s(run) for run in runs]):.0f}"
            table.add(variant.name, str(runs[0]["labelled_states"]), str(runs[0]["steps"]), cost, *cells)
        _, apart = compared(choice, found, measure)
        table.add("difference [sd]", "", "", "", *(f"{value:+.1f}" for value in apart))
    return table


def columns(runs: list[dict[str, Any]], measure: str) -> np.ndarray:
    """(runs, classes + 1) scores of each class and their mean."""
    return np.array([[*(run[measure][name] for name in CLASSES), mean_iou(run[measure])] for run in runs])


def compared(
    choice: Choice, found: list[tuple[Variant, dict[str, Any]]], measure: str
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the means over the seeds, absolute and in standard deviations (pooled over both variants)."""
    control, tested = (
        columns([run for variant, run in found if variant == each], measure)
        for each in (choice.control, choice.tested)
    )
    gap = tested.mean(axis=0) - control.mean(axis=0)
    spread = np.sqrt((control.var(axis=0, ddof=1) + tested.var(axis=0, ddof=1)) / 2)
    return gap, np.divide(gap, spread, out=np.full(len(gap), np.nan), where=spread > 0)


def verdict(choice: Choice, found: list[tuple[Variant, dict[str, Any]]]) -> str:
    """Whether the mean IoU at 0.5 of the tested variant exceeds that of the control."""
    gap, apart = (values[-1] for values in compared(choice, found, "iou"))
    helps = "helps" if apart >= MIN_SD else "harms" if apart <= -MIN_SD else "makes no difference"
    cost = [np.mean([cpu_s(run) for each, run in found if each == v]) for v in (choice.tested, choice.control)]
    return (
        f"{choice.tested.name} {helps} against {choice.control.name}: mean IoU {gap:+.3f}, {apart:+.1f} sd, at"
        f" {cost[0] / cost[1]:.2f} times the processor time."
    )


def about_pretraining(found: dict[str, Any]) -> str:
    """Masks and losses of one pretraining."""
    about = found["pretraining"]
    return (
        f"{found['key']}: {about['steps']} steps on images of {about['states']} states and"
        f" {about['recorded_images']} recorded images, mask patch {MASKS.patch_px} px, share {MASKS.share:g}, AvgDist"
        f" {about['average_distance_px']:.1f} px, L1 {about['first_loss']:.3f} -> {about['last_loss']:.3f}"
    )


if __name__ == "__main__":
    run(Arguments, main, __doc__)
