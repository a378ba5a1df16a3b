import numpy as np
import pytest

from simulation.metrics.result import MetricResult, Violation, stretches


def test_stretches_are_unbroken_runs():
    flags = np.array([True, False, True, True, False, True])
    assert stretches(flags) == [(0, 0), (2, 3), (5, 5)]
    assert stretches(np.zeros(3, dtype=bool)) == []


def test_the_first_violation_says_when_and_why():
    found = (Violation(time_s=1.5, sentence="hit cone a"), Violation(time_s=3.0, sentence="hit cone b"))
    result = MetricResult(name="m", score=0.5, statistics={}, violations=found)
    assert result.first_violation is found[0]
    assert (result.first_violation.time_s, result.sentence) == (1.5, "hit cone a")


def test_without_violation_there_is_no_sentence():
    result = MetricResult(name="m", score=1.0, statistics={})
    assert (result.first_violation, result.sentence) == (None, "")


def test_scores_lie_between_0_and_1():
    with pytest.raises(ValueError, match=r"m: a score lies in \[0, 1\], got 1.5"):
        MetricResult(name="m", score=1.5, statistics={})


def test_a_series_needs_its_times():
    with pytest.raises(ValueError, match="got 3 samples, 0 times"):
        MetricResult(name="m", score=1.0, statistics={}, series=np.zeros(3))
