"""The same figures as the devkit, on drives that it recorded and on its own unit cases."""

import pytest

from benchmarks.devkit_metric_cases import run_cases
from benchmarks.parity_metrics import compare


@pytest.mark.parametrize("only", ["closed_loop_nonreactive", "closed_loop_reactive", "open_loop"])
def test_recorded_drives_get_the_devkits_scores_and_statistics(golden, only):
    found = compare(golden / "world1", golden / "world1" / "runs", only)
    assert found.num_drives >= 16
    assert found.exceptions == []
    assert max(found.scores.values()) < 1e-9
    assert max(found.statistics.values()) < 1e-9


def test_the_devkits_own_cases_pass_where_no_map_is_needed(recorded_data):
    cases = run_cases(recorded_data / "nuplan_devkit" / "test_scenes")
    outcomes = [case.outcome for case in cases]
    assert len(cases) == 75
    assert (outcomes.count("passed"), outcomes.count("failed")) == (28, 0)
    assert all(case.reason for case in cases if case.outcome == "impossible")
