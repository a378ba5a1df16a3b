"""Reports hold the right means, and keep odd characters inside their cells."""

import csv
import json
import re

import pyarrow.parquet as pq
import pytest

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.report import Report
from simulation.benchmark.store import ResultStore

ODD = "a|b\n<script>[red]$x_1$ 100% ü"


def result(scenario, score, *, planner="idm", scenario_type="changing_lane", reason=""):
    return JobResult(
        planner=planner,
        scenario=scenario,
        log_name="log",
        scenario_type=scenario_type,
        traffic="reactive",
        status="failed" if score is None else "succeeded",
        score=score,
        metrics={} if score is None else {"ego_is_comfortable": score},
        stage_time_s={} if score is None else {"planning": 0.1, "total": 0.2},
        reason=reason,
    )


@pytest.fixture
def write(tmp_path):
    def write(*results, lines=(), left_out=0, planners=("idm",)):
        store = ResultStore(tmp_path / "r")
        run = {
            "settings": {"planners": list(planners), "traffic": ["reactive"]},
            "scenarios": 3,
            "command": "benchmark.py --planner `a|b`",
            "commit": "abc",
            "seed": 0,
            "data_version": "0",
            "hardware": {"cpu": "x", "cores": 1, "memory_gib": 1.0},
            "software": {},
            "sessions": [{"backend": "serial", "workers": 1, "jobs": 3, "work_s": 1.0, "startup_s": 1.0}],
            "selection": {"lines": list(lines), "left_out": left_out},
        }
        store.create(run)
        for number, one in enumerate(results):
            store.write(str(number), one)
        report = Report.read(store)
        report.write(store.folder)
        return report, store.folder

    return write


def test_failed_scenarios_count_as_zero(write):
    report, _ = write(result("a", 1.0), result("b", 0.5), result("c", None, reason="no plan"))
    (group,) = report.groups
    assert group.final_score == pytest.approx(0.5)
    assert group.metric_means() == {"ego_is_comfortable": 0.75}
    assert group.seconds() == {"planning": 0.1, "total": 0.2}
    assert report.is_complete


def test_an_unfinished_run_says_how_to_continue(write):
    report, folder = write(result("a", 1.0))
    assert not report.is_complete
    assert "**Unfinished:** 1 of 3 scenario runs. Continue with `--resume`." in (folder / "summary.md").read_text()
    assert "continue with <code>--resume</code>" in (folder / "report.html").read_text()


def test_control_characters_are_escaped_in_all_reports(write):
    bell = "\x1b[31m\x00\x07"
    _, folder = write(
        result("a", None, planner=bell, scenario_type=bell, reason=f"bad{bell}"),
        lines=[f"no log {bell}"],
        planners=(bell,),
    )
    for name in ("scores.csv", "summary.md", "summary.json", "report.html"):
        text = (folder / name).read_bytes()
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text), name
    assert r"bad\x1b[31m\x00\x07" in (folder / "scores.csv").read_text()
    assert r"| bad\x1b[31m\x00\x07 |" in (folder / "summary.md").read_text()
    assert r"bad\x1b[31m\x00\x07" in (folder / "report.html").read_text()


def test_lines_of_the_selection_stand_in_all_reports(write):
    line = "8 of 10 tokens are not in the data: a<b, c."
    report, folder = write(result("a", 1.0), lines=[line], left_out=2)
    assert (report.selection_lines, report.num_left_out) == ([line], 2)
    assert json.loads((folder / "summary.json").read_text())["selection"]["lines"] == [line]
    assert f"- {line}" in (folder / "summary.md").read_text()
    assert "<li>8 of 10 tokens are not in the data: a&lt;b, c.</li>" in (folder / "report.html").read_text()


def test_reports_of_runs_before_selections_were_counted_still_open(write):
    _, folder = write(result("a", 1.0))
    run = json.loads((folder / "run.json").read_text())
    del run["selection"]
    (folder / "run.json").write_text(json.dumps(run))
    again = Report.read(ResultStore(folder))
    assert (again.selection_lines, again.num_left_out) == ([], 0)
    again.write(folder)


def test_odd_characters_break_no_table_and_no_plot(write):
    planners = (ODD, "_hidden", "$unbalanced")
    results = [
        result("a", None if name == ODD else 0.5, planner=name, scenario_type=f"{ODD}$", reason=ODD)
        for name in planners
    ]
    _, folder = write(*results, planners=planners)
    rows = [line for line in (folder / "summary.md").read_text().splitlines() if line.startswith("| ")]
    for row in rows:
        assert row.endswith(" |")
    failed = next(row for row in rows if "[red]" in row and "reactive | a |" in row)
    assert len(re.findall(r"(?<!\\)\|", failed)) == 5
    page = (folder / "report.html").read_text()
    assert "<script>" not in page
    assert page.count("data:image/png;base64,") == 3
    assert pq.read_table(folder / "scores.parquet")["planner"].to_pylist() == list(planners)
    with (folder / "scores.csv").open(newline="") as file:
        assert [row["planner"] for row in csv.DictReader(file)] == list(planners)


def test_a_folder_without_finished_scenarios_is_named(write):
    with pytest.raises(ValueError, match=r"holds no finished scenario yet\. Continue the run with --resume"):
        write()
