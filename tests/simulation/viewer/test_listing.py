import json

from simulation.viewer.listing import as_json, columns_of, listing_of
from simulation.viewer.rows import DriveRow


def test_rows_are_listed_as_columns_by_name():
    scored = DriveRow(
        key="idm.nonreactive.a",
        scenario="a",
        scenario_type="starting_left_turn",
        log_name="log",
        planner="idm",
        traffic="nonreactive",
        score=0.5,
        metrics={"ego_is_comfortable": 0.0, "speed_limit_compliance": float("nan")},
        sentences={"ego_is_comfortable": "The jerk reaches 9 m/s^3."},
        violation_times_s={"ego_is_comfortable": 3.2},
    )
    failed = DriveRow(
        key="idm.nonreactive.b", scenario="b", scenario_type="", log_name="", status="failed", reason="It failed."
    )
    columns = json.loads(as_json(columns_of([("first", scored), ("second", failed)])))
    assert columns["source"] == ["first", "second"]
    assert columns["scenario"] == ["a", "b"]
    assert columns["score"] == [0.5, None]
    assert columns["sort_score"] == [0.5, -1.0]
    assert columns["metrics"] == {"ego_is_comfortable": [0.0, None], "speed_limit_compliance": [None, None]}
    expected = {"metric": "ego_is_comfortable", "time_s": 3.2, "text": "The jerk reaches 9 m/s^3."}
    assert columns["reasons"] == [[expected], []]
    assert columns["reason"] == ["", "It failed."]
    lengths = {len(column) for name, column in columns.items() if name != "metrics"}
    assert lengths == {2}


def test_a_list_of_2000_drives_stays_below_a_megabyte():
    rows = [
        DriveRow(
            key=f"pdm_closed.nonreactive.{number:016x}",
            scenario=f"{number:016x}",
            scenario_type="following_lane_with_lead",
            log_name="2021.10.01.19.16.42_veh-28_02011_02171",
            planner="pdm_closed",
            traffic="nonreactive",
            score=0.123456,
            metrics={f"metric_with_a_name_of_30_signs_{i}": 0.123456 for i in range(8)},
        )
        for number in range(2000)
    ]
    assert len(as_json(columns_of([("results", row) for row in rows]))) < 1e6


def test_a_saved_list_names_each_source_once():
    rows = [
        (source, DriveRow(key=key, scenario="a", scenario_type="changing_lane", log_name="log"))
        for source, key in (("first", "idm"), ("second", "idm"), ("first", "simple"))
    ]
    saved = listing_of(rows)
    assert [source["name"] for source in saved["sources"]] == ["first", "second"]
    assert saved["rows"]["source"] == ["first", "second", "first"]
