"""Training choices of the perception network."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_perception import GRID

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_choices")
    monkeypatch.setattr(script, "BATCH_STATES", 1)

    def small(variant):
        return replace(variant, network=replace(variant.network, image_size=(32, 64), grid=GRID))

    choices = {
        name: replace(choice, control=small(choice.control), tested=small(choice.tested))
        for name, choice in script.CHOICES.items()
    }
    monkeypatch.setattr(script, "CHOICES", choices)
    monkeypatch.setattr(script, "TEACHER", small(script.TEACHER))
    # One appearance: each one with lamps would draw another ground.
    monkeypatch.setattr(script, "SETTINGS", replace(script.SETTINGS, num_appearances=0))
    return script


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "world"
    write_world([SCENES["queue"]()], folder)
    return folder


def arguments(script, world, output, *choices):
    return script.Arguments(
        data=(world,),
        validation=(world,),
        output=output,
        choice=choices,
        steps=2,
        pretraining_steps=2,
        teacher_steps=1,
        seeds=2,
        labels=0.5,
        states=1,
        quiet=True,
    )


def results(output):
    return [json.loads(line) for line in (output / "runs.jsonl").read_text().splitlines()]


def test_tables_hold_variants_and_controls_and_finished_runs_are_kept(script, world, tmp_path, capsys, monkeypatch):
    wanted = arguments(script, world, tmp_path, "pretraining", "distillation")
    script.main(wanted)
    first = capsys.readouterr().out
    names = ("Swin, random start", "Swin, SimMIM", "no teacher", "distilled features", "teacher, all labels")
    for words in (*names, "difference [sd]", "AvgDist", "mask patch 32 px", "times the processor time", "at 0.5"):
        assert words in first
    found = results(tmp_path)
    assert len(found) == 2 * 4 + 1
    # The teacher exists before the networks that imitate it are trained.
    assert "teacher" in found[0]["key"]
    assert all("distilled" in run["key"] for run in found[-2:])
    choice = script.CHOICES["pretraining"]
    control = next(run for run in found if "random_start" in run["key"])
    assert control["steps"] == choice.control_steps(2, 2)
    pretrained = next(run for run in found if "SimMIM" in run["key"])
    assert pretrained["pretraining"]["recorded_images"] == 0
    assert pretrained["pretraining"]["states"] == pytest.approx(2 * pretrained["labelled_states"], abs=1)
    monkeypatch.setattr(script, "result_of", lambda *_: pytest.fail("A finished run is trained again."))
    script.main(wanted)
    assert capsys.readouterr().out == first


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(script, world, tmp_path):
    wanted = arguments(script, world, tmp_path, "lift")
    pull, _, one, other = script.jobs_of(wanted, "lift")
    assert (pull.variant.network.lift, one.variant.network.lift) == ("pull", "splat")
    made = {}
    for name, job in {"first": one, "again": one, "other": other}.items():
        script.result_of(job, tmp_path / name)
        made[name] = (script.folder_of(job, tmp_path / name) / "weights.safetensors").read_bytes()
    assert made["first"] == made["again"]
    assert made["first"] != made["other"]


def test_differences_are_in_units_of_the_pooled_standard_deviation(script):
    choice = script.CHOICES["lift"]

    def run(value):
        return {"iou": dict.fromkeys(script.CLASSES, value), "network_cpu_s": 1.0, "rendering_cpu_s": 1.0}

    found = [(choice.control, run(value)) for value in (0.1, 0.2, 0.3)]
    found += [(choice.tested, run(value)) for value in (0.3, 0.4, 0.5)]
    gap, apart = script.compared(choice, found, "iou")
    assert gap == pytest.approx([0.2] * 5)
    assert apart == pytest.approx([2.0] * 5)
    near = [*found[:3], *((choice.tested, run(value)) for value in (0.15, 0.25, 0.35))]
    assert "makes no difference against pull lift: mean IoU +0.050, +0.5 sd, at 1.00" in script.verdict(choice, near)


def test_the_control_gets_the_steps_that_the_pretraining_costs(script):
    choice = replace(script.CHOICES["pretraining"], step_cost=1.1, pretraining_cost=0.5)
    assert choice.control_steps(300, 200) == 430


def test_wrong_arguments_are_sentences(script, world, tmp_path):
    right = arguments(script, world, tmp_path, "lift")
    with pytest.raises(ValueError, match="Name data roots of scenarios"):
        script.main(replace(right, validation=()))
    with pytest.raises(ValueError, match="--seeds must be at least 2 for a standard deviation, got 1"):
        script.main(replace(right, seeds=1))
    with pytest.raises(ValueError, match="--labels is a share"):
        script.main(replace(right, labels=0.0))
    with pytest.raises(KeyError, match=r"No choice named 'lifts'\. Did you mean 'lift'"):
        script.main(replace(right, choice=("lifts",)))
