import re

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.report_page import WORST_SHOWN, html_page
from simulation.benchmark.scores import Group

RUN = {
    "command": "benchmark.py",
    "commit": "abc",
    "seed": 0,
    "data_version": "0",
    "hardware": {"cpu": "x", "cores": 1, "memory_gib": 1.0},
    "software": {},
    "sessions": [{"backend": "serial", "workers": 1, "jobs": 3, "work_s": 1.0, "startup_s": 1.0}],
    "scenarios": 60,
    "settings": {"planners": ["idm"], "traffic": ["reactive"]},
}


def group(scores):
    return Group(
        planner="idm",
        traffic="reactive",
        results=tuple(
            JobResult(
                planner="idm",
                scenario=f"town-{number:03d}",
                log_name="log",
                scenario_type="changing_lane",
                traffic="reactive",
                status="failed" if score is None else "succeeded",
                score=score,
                metrics={} if score is None else {"ego_is_comfortable": score},
                stage_time_s={} if score is None else {"planning": 0.1, "total": 0.2},
                reason="the reason" if score != 1.0 else "",
            )
            for number, score in enumerate(scores)
        ),
        is_probe=False,
    )


def test_the_page_needs_no_network_and_lists_the_worst_scenarios_first():
    page = html_page([group([1.0, 0.5, None, 0.25])], RUN, {})
    assert not re.findall(r"(?:src|href)=[\"']https?:", page)
    assert page.count("data:image/png;base64,") == 3
    positions = [page.rindex(name) for name in ("town-002", "town-003", "town-001")]
    assert positions == sorted(positions)
    assert "town-000" not in page


def test_only_the_worst_scenarios_are_listed():
    page = html_page([group([0.5] * (WORST_SHOWN + 20))], RUN, {})
    assert len(set(re.findall(r"town-\d{3}", page))) == WORST_SHOWN
