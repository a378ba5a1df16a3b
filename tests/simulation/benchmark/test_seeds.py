"""Several training seeds of one planner count as one, with a spread; leads are counted in units of it."""

from dataclasses import replace

import pytest

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.scores import Group, reason_of
from simulation.benchmark.seeds import Contender, as_values, gap_between, metric_names


def result(scenario: str, score: float | None, log_name: str = "log", **metrics: float) -> JobResult:
    return JobResult(
        planner="student",
        scenario=scenario,
        log_name=log_name,
        scenario_type="unknown",
        traffic="nonreactive",
        status="failed" if score is None else "succeeded",
        score=score,
        metrics=metrics,
    )


def member(*results: JobResult) -> Group:
    return Group(planner="student", traffic="nonreactive", results=results, is_probe=False)


def contender(name: str, *scores: float) -> Contender:
    """One seed for each score, on a single scenario."""
    return Contender(name=name, members=tuple(member(result("a", score)) for score in scores))


def test_the_score_is_the_mean_over_seeds_and_failed_scenarios_count_as_nothing():
    first = member(result("a", 1.0), result("b", 0.5))
    second = member(result("a", 0.25), result("b", None))
    both = Contender(name="both", members=(first, second))
    assert both.scores == pytest.approx((0.75, 0.125))
    assert both.mean == pytest.approx(0.4375)
    # Of a sample of two: the difference over the root of two.
    assert both.deviation == pytest.approx(0.625 / 2**0.5)
    assert (both.num_scenarios, both.num_failed) == (2, 1)
    assert Contender(name="one", members=(first,)).deviation is None


def test_a_lead_is_counted_in_units_of_the_larger_spread():
    wide, narrow = contender("wide", 0.5, 0.7, 0.9), contender("narrow", 0.3, 0.3, 0.3)
    gap = gap_between(wide, narrow)
    assert gap.points == pytest.approx(40.0)
    assert gap.in_deviations == pytest.approx(2.0)
    assert gap_between(narrow, wide).in_deviations == pytest.approx(-2.0)


def test_without_a_spread_there_is_no_unit():
    assert gap_between(contender("a", 0.5), contender("b", 0.25)).in_deviations is None
    assert gap_between(contender("a", 0.5, 0.5), contender("b", 0.25)).in_deviations is None
    # Only one of them was trained: its spread is the unit.
    assert gap_between(contender("a", 0.4, 0.6), contender("b", 0.5)).in_deviations == pytest.approx(0.0)


def test_kinds_and_metrics_are_means_over_seeds():
    first = member(result("a", 1.0, "cut_in", comfort=1.0), result("b", 0.5, "town", comfort=0.5))
    second = member(result("a", 0.0, "cut_in", comfort=0.0), result("b", None, "town"))
    both = Contender(name="both", members=(first, second))
    kinds = both.by_kind(lambda one: one.log_name if one.log_name == "cut_in" else None)
    assert kinds == {"cut_in": (1, pytest.approx(0.5))}
    assert both.metric_means() == {"comfort": pytest.approx(0.375)}
    assert metric_names([both]) == ["comfort"]
    values = as_values(both, kinds)
    assert values["kinds"] == {"cut_in": {"scenarios": 1, "score": pytest.approx(0.5)}}
    assert values["failed"] == 1


def test_the_worst_of_the_first_seed_come_first():
    first = member(result("a", 0.4), result("b", None), result("c", 0.9), result("d", 0.1))
    second = member(*(result(name, 0.0) for name in "abcd"))
    low = Contender(name="both", members=(first, second)).failures(0.5)
    assert [one.scenario for one in low] == ["b", "d", "a"]


def test_what_a_sentence_holds_already_is_not_said_again():
    lost = replace(
        result("a", 0.5), sentences={"comfort": "jerk of 9, accel of 8", "jerk": "jerk of 9", "late": "slow"}
    )
    assert reason_of(lost) == "jerk of 9, accel of 8; slow"
    assert reason_of(replace(lost, sentences={"x": "slow", "y": "slow"})) == "slow"
    assert reason_of(replace(lost, reason="died")) == "died"
    assert reason_of(result("a", 1.0)) == ""


def test_different_scenarios_are_not_compared():
    with pytest.raises(ValueError, match="members of mixed drove different scenarios"):
        Contender(name="mixed", members=(member(result("a", 1.0)), member(result("b", 1.0))))
    other = Contender(name="other", members=(member(result("b", 1.0)),))
    with pytest.raises(ValueError, match=r"one and other drove different scenarios \(1 and 1, 0 in both\)"):
        gap_between(contender("one", 1.0), other)
    with pytest.raises(ValueError, match="needs at least one member"):
        Contender(name="none", members=())
