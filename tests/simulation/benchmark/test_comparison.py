"""Scores of two results folders are paired scenario by scenario."""

import numpy as np
import pytest

from simulation.benchmark.comparison import bootstrap_interval, compare_groups, compare_reports
from simulation.benchmark.jobs import JobResult
from simulation.benchmark.report import Report
from simulation.benchmark.scores import Group


def group(planner="idm", traffic="reactive", *, is_probe=False, **scores):
    results = tuple(
        JobResult(
            planner=planner,
            scenario=name,
            log_name="log",
            scenario_type="changing_lane",
            traffic=traffic,
            status="failed" if score is None else "succeeded",
            score=score,
            sentences={} if score in (None, 1.0) else {"ego_is_comfortable": f"{planner} lost points in {name}"},
            reason="no plan" if score is None else "",
        )
        for name, score in scores.items()
    )
    return Group(planner=planner, traffic=traffic, results=results, is_probe=is_probe)


def report(*groups):
    return Report(run={}, groups=groups)


def test_means_are_over_the_scenarios_of_both():
    comparison = compare_groups(group(a=1.0, b=0.5, c=0.2), group(a=0.5, b=None, d=1.0))
    assert (comparison.mean_a, comparison.mean_b) == (0.75, 0.25)
    assert comparison.difference == -0.5
    assert comparison.unpaired == 2


def test_the_most_changed_scenario_is_first_with_the_reason_of_the_lower_score():
    comparison = compare_groups(group(a=1.0, b=0.5, c=1.0), group(a=0.9, b=None, c=1.0))
    assert [(change.scenario, change.why) for change in comparison.changes] == [
        ("b", "no plan"),
        ("a", "idm lost points in a"),
        ("c", ""),
    ]


def test_planners_are_paired_by_name_and_traffic():
    first = report(group("idm", a=1.0), group("idm", "nonreactive", a=0.5), group("simple", a=0.2))
    second = report(group("idm", a=0.5), group("simple", a=0.3))
    pairs = compare_reports(first, second)
    assert [(one.planner_a, one.planner_b, one.traffic) for one in pairs] == [
        ("idm", "idm", "reactive"),
        ("simple", "simple", "reactive"),
    ]


def test_single_planners_of_different_names_are_paired_and_probes_are_not():
    first = report(group("idm", a=1.0), group("stand_still", a=0.0, is_probe=True))
    second = report(group("simple", a=0.5), group("ignore_agents", a=0.1, is_probe=True))
    (pair,) = compare_reports(first, second)
    assert (pair.planner_a, pair.planner_b) == ("idm", "simple")


def test_folders_without_a_common_scenario_are_named():
    with pytest.raises(ValueError, match=r"Nothing to compare: .* A has idm/reactive, B has idm/reactive"):
        compare_reports(report(group(a=1.0)), report(group(b=1.0)))


def test_the_interval_covers_the_mean_of_differences():
    differences = np.random.default_rng(1).normal(0.1, 0.2, 400)
    low, high = bootstrap_interval(differences, seed=0)
    assert low < differences.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * differences.std() / 20, rel=0.1)
