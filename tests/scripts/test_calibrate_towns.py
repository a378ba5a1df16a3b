import importlib
import json

import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.realism.sources import measure, scenarios_in


@pytest.fixture
def calibrate(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("calibrate_towns")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_world([SCENES["queue"](), SCENES["parked_car"](), SCENES["red_light"]()], folder)
    return folder


@pytest.fixture
def towns(calibrate, recordings, monkeypatch):
    """Settings of all towns that were wanted; the recordings take the place of the towns."""
    wanted = []
    snapshots = measure(scenarios_in(recordings), every_s=10.0).snapshots

    def town_snapshots(settings, seed):
        wanted.append((settings, seed))
        return list(snapshots)

    monkeypatch.setattr(calibrate, "town_snapshots", town_snapshots)
    return wanted


def test_folds_are_fitted_tested_and_written(calibrate, recordings, towns, tmp_path):
    output = tmp_path / "calibration.json"
    calibrate.main(
        calibrate.Arguments(against=recordings, output=output, folds=2, evaluations=16, towns=1, quiet=True)
    )
    content = json.loads(output.read_text())
    assert [row["kind"] for row in content["held_out"]] == [
        "calibrated towns",
        "towns as they are",
        "other recordings",
    ]
    assert len(content["folds"]) == 6
    assert len(content["recordings"]) == 3
    assert set(content["calibration"]) >= {"length_m", "offset_m", "headway"}
    seeds = [seed for _, seed in towns]
    assert len(seeds) == 3 * 16 + 3
    # Candidates of one generation share a town, which no test uses.
    assert set(seeds) == {calibrate.FIT_SEED, calibrate.FIT_SEED + 1, calibrate.TEST_SEED}


def test_equal_arguments_give_equal_factors(calibrate, recordings, towns, tmp_path):
    found = []
    for name in ("first.json", "second.json"):
        calibrate.main(
            calibrate.Arguments(against=recordings, output=tmp_path / name, folds=0, evaluations=8, quiet=True)
        )
        found.append(json.loads((tmp_path / name).read_text())["calibration"])
    assert found[0] == found[1]
    assert all(calibrate.SMALLEST <= found[0][name] <= calibrate.LARGEST for name in calibrate.FACTORS)


def test_factors_without_a_town_are_the_worst(calibrate, recordings, monkeypatch, tmp_path):
    monkeypatch.setattr(calibrate, "town_snapshots", lambda settings, seed: [])
    calibrate.main(
        calibrate.Arguments(against=recordings, output=tmp_path / "one.json", folds=0, evaluations=8, quiet=True)
    )
    assert (tmp_path / "one.json").is_file()
