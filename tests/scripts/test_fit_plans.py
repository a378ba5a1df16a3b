import importlib
import json

import numpy as np
import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.realism.maps import map_statistics


@pytest.fixture
def plans(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("fit_plans")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_world([SCENES["queue"](), SCENES["t_junction"](), SCENES["roundabout"]()], folder)
    return folder


@pytest.fixture
def cheap_towns(plans, monkeypatch):
    """The windows of a town: that of one hand-made map, for all styles and seeds."""
    window = map_statistics(SCENES["t_junction"]().map, SCENES["t_junction"]().ego.rear_axle_poses[0, 0, :2])
    wanted = []

    def town_windows(settings, seeds):
        wanted.append((settings.style, list(seeds)))
        return [window]

    monkeypatch.setattr(plans, "town_windows", town_windows)
    return wanted


def test_folds_are_fitted_tested_and_written(plans, recordings, cheap_towns, tmp_path):
    output = tmp_path / "plans.json"
    plans.main(plans.Arguments(against=recordings, output=output, evaluations=8, quiet=True))
    content = json.loads(output.read_text())
    assert [row["kind"] for row in content["folds"][:4]] == [
        "fitted plans",
        "random plans",
        "towns as they are",
        "other recordings",
    ]
    style = content["style"]
    assert 105.0 <= style["spacing_m"] <= 260.0
    assert sum(style["profile_weights"]) == pytest.approx(1.0, abs=0.002)
    used = [tuple(seeds) for _, seeds in cheap_towns]
    # 8 styles and 4 finalists of two searches for each of two folds, and of the last search.
    assert [used.count(tuple(seeds)) for seeds in (plans.FIT_SEEDS, plans.FINAL_SEEDS)] == [5 * 8, 5 * 4]
    assert used.count(tuple(plans.TEST_SEEDS)) == 1 + 2 * 2


def test_points_of_the_unit_cube_are_styles(plans):
    low, high = plans.style_of(np.zeros(4)), plans.style_of(np.ones(4))
    assert (low.spacing_m, low.removed, high.spacing_m, high.removed) == (105.0, 0.0, 260.0, 0.3)
    assert low.profile_weights[2] > 0.9
    assert high.profile_weights[2] < 0.03


def test_plans_that_cannot_be_built_are_the_worst(plans, monkeypatch):
    monkeypatch.setattr(plans, "town_windows", lambda settings, seeds: [])
    assert plans.distance(plans.style_of(np.full(4, 0.5)), []) == plans.NO_PLAN


def test_the_style_is_chosen_on_towns_that_the_search_has_not_seen(plans, monkeypatch):
    styles = [plans.style_of(np.full(4, share)) for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    later = dict(zip(styles, (0.5, 0.4, 0.3, 0.2, 0.1, 0.0), strict=True))
    monkeypatch.setattr(plans, "distance", lambda style, recorded, seeds: later[style])
    judged = [(0.1 * place, style) for place, style in enumerate(styles)]
    # The last two would be better, but are not among the four best of the search.
    assert plans.best_of(judged, []) == styles[3]


def test_a_plan_that_cannot_be_built_is_drawn_again(plans, monkeypatch):
    whole, draws = plans.build_roads, []

    def fails_twice(*arguments):
        draws.append(1)
        if len(draws) <= 2:
            raise ValueError("no room")
        return whole(*arguments)

    monkeypatch.setattr(plans, "build_roads", fails_twice)
    monkeypatch.setattr(plans, "WINDOWS", 2)
    settings = plans.TownSettings(columns=3, rows=3, removed_links=0)
    assert plans.town_windows(settings, [1])
    assert len(draws) == 3
    monkeypatch.setattr(plans, "MAX_DRAWS", 0)
    assert plans.town_windows(settings, [1]) == []


def test_windows_of_a_town_are_measured_at_random_places(plans, monkeypatch):
    monkeypatch.setattr(plans, "WINDOWS", 4)
    style = plans.PlanStyle(spacing_m=130.0, removed=0.0, profile_weights=(1.0, 1.0, 1.0))
    settings = plans.with_style(plans.TownSettings(columns=3, rows=3, removed_links=0), style)
    windows = plans.town_windows(settings, [1])
    assert 1 <= len(windows) <= 4
    assert plans.town_windows(settings, [1])[0].density.tolist() == windows[0].density.tolist()
