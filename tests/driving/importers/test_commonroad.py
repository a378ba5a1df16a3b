import re

import numpy as np
import pytest

from driving import PACIFICA, AgentKind
from driving.checks import check_scenario
from driving.importers import commonroad
from driving.importers.notes import notes_of


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def notes_in(recording):
    return [str(note) for note in notes_of(recording.metadata) if note.is_difference]


def test_a_car_becomes_the_ego_with_the_same_centre(commonroad_file):
    recording = commonroad.import_recording(commonroad_file)
    # Car 9 is nearer to the start of the planning problem, but leaves after a second.
    assert "car 7" in recording.metadata["ego"]
    assert "nearest to the start of the planning problem (1.0 m)" in recording.metadata["ego"]
    assert recording.agents.track_ids == ("8", "9")
    assert recording.agents.kinds.tolist() == [AgentKind.VEHICLE, AgentKind.VEHICLE]
    ego, truck = recording.ego.center_poses()[0], recording.agents.poses[0]
    np.testing.assert_allclose(truck[0] - ego[0], [20.0, 4.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(recording.ego.velocities_mps[0, :, 0], 10.0, atol=1e-6)
    gap_m = ego[0, 0] - recording.ego.rear_axle_poses[0, 0, 0]
    assert gap_m == pytest.approx(PACIFICA.rear_axle_to_center_m)
    check_scenario(recording.scenarios()[0], recorded=True)


def test_the_caller_can_name_the_ego(commonroad_file):
    recording = commonroad.import_recording(commonroad_file, ego="8")
    assert recording.agents.track_ids == ("7", "9")
    assert "named by --ego" in recording.metadata["ego"]


def test_lanelets_become_lanes_with_a_short_connector_in_between(commonroad_file):
    recording = commonroad.import_recording(commonroad_file)
    graph = recording.map
    assert graph.epsg == 32632
    assert graph.lanes.num_lanes == 4
    assert len(graph.lanes) == 6
    assert len(graph.roadblocks) == 2
    assert len(graph.roadblock_connectors) == 1
    origin = recording.ego.center_poses()[0, 0, :2] - [10, 2]
    (connector,) = graph.connector_rows_at(origin + np.array([50, 2]))
    # 1.5 m from the lane of 50 m and 1.5 m from that of 100 m.
    assert graph.centerline(int(connector)).length_m == pytest.approx(3.0, abs=1e-6)
    assert graph.speed_limit_mps(int(connector)) == 12.5
    assert "6 of 6 lanes and connectors have the source's limit" in graph.metadata["speed_limit"]


def test_the_place_is_that_of_the_file(commonroad_file):
    recording = commonroad.import_recording(commonroad_file)
    # Munich lies in zone 32, near 11.67 degrees east and 48.26 degrees north.
    x, y = recording.ego.rear_axle_poses[0, 0, :2]
    assert 690_000 < x < 710_000
    assert 5_340_000 < y < 5_360_000
    assert "rough" in recording.metadata["place"]


def test_a_road_without_links_is_cut_in_half(commonroad_file):
    rewrite(commonroad_file, '<successor ref="2"/>', "")
    rewrite(commonroad_file, '<predecessor ref="1"/>', "")
    rewrite(commonroad_file, '<successor ref="4"/>', "")
    rewrite(commonroad_file, '<predecessor ref="3"/>', "")
    recording = commonroad.import_recording(commonroad_file)
    assert recording.map.lanes.num_lanes == 8
    assert len(recording.missions[0].roadblock_ids) >= 2


@pytest.mark.parametrize("tag", ["highway", "interstate"])
def test_a_motorway_without_limit_gets_65_mph(commonroad_file, tag):
    rewrite(commonroad_file, "<urban/>", f"<{tag}/>")
    rewrite(commonroad_file, "<additionalValue>12.5</additionalValue>", "")
    limits = commonroad.import_recording(commonroad_file).map.lanes.speed_limit_mps
    np.testing.assert_array_equal(limits, 29.06)


def test_files_are_found_by_folder_or_name(commonroad_file):
    assert commonroad.find_scenarios(commonroad_file) == [commonroad_file]
    assert commonroad.find_scenarios(commonroad_file.parent) == [commonroad_file]


def test_a_folder_without_scenarios_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No CommonRoad scenario \(\*.xml\)"):
        commonroad.find_scenarios(tmp_path)


def test_an_unknown_ego_raises_an_error_with_the_known_ones(commonroad_file):
    with pytest.raises(
        KeyError, match=r"No obstacle '5' with a trajectory can become the ego; known: \['7', '8', '9'\]"
    ):
        commonroad.import_recording(commonroad_file, ego="5")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("</commonRoad>", "", "is no complete XML file"),
        ("commonRoad", "openRoad", "is no CommonRoad file: its root is <openRoad>"),
        (
            'commonRoadVersion="2020a"',
            'commonRoadVersion="2099z"',
            "has CommonRoad version 2099z; versions 2017a, 2018b, 2020a can be read",
        ),
        (
            "<width>2.0</width>",
            "",
            r"none can become the ego\.\nleft out \(3\): obstacles that cannot be read: 7 \(expected a number",
        ),
        ('timeStepSize="0.1"', 'timeStepSize="fast"', "mini.xml: expected a number in the timeStepSize, got 'fast'"),
        ('timeStepSize="0.1"', 'timeStepSize="0"', "mini.xml: the timeStepSize must be above 0 s, got 0"),
        ('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "has a document type"),
    ],
)
def test_broken_files_raise_an_error_with_the_reason(commonroad_file, old, new, sentence):
    rewrite(commonroad_file, old, new)
    with pytest.raises(ValueError, match=sentence):
        commonroad.import_recording(commonroad_file)


def test_a_file_without_cars_is_refused(commonroad_file):
    rewrite(commonroad_file, "<type>car</type>", "<type>pedestrian</type>")
    rewrite(commonroad_file, "<type>truck</type>", "<type>pedestrian</type>")
    with pytest.raises(ValueError, match="No recorded car has a trajectory, so that none can become the ego"):
        commonroad.import_recording(commonroad_file)


def as_2018b(path):
    """Rewrite a file of format 2020a in format 2018b."""
    text = path.read_text()
    head, tail = text.index("<location>"), text.index("<lanelet ")
    text = text[:head] + text[tail:]
    signs, cars = text.index("<trafficSign "), text.index("<dynamicObstacle")
    text = text[:signs] + text[cars:]
    for old, new in (
        ('"2020a"', '"2018b"'),
        ('<laneletType>urban</laneletType><trafficSignRef ref="90"/>', "<speedLimit>12.5</speedLimit>"),
        ("</dynamicObstacle>", "</obstacle>"),
        ("timeStepSize=", 'tags="urban multi_lane" timeStepSize='),
    ):
        assert old in text
        text = text.replace(old, new)
    text = re.sub(r'<dynamicObstacle id="(\d+)">', r'<obstacle id="\1"><role>dynamic</role>', text)
    path.write_text(text)


def test_format_2018b_gives_the_same_recording(commonroad_file):
    new = commonroad.import_recording(commonroad_file)
    as_2018b(commonroad_file)
    old = commonroad.import_recording(commonroad_file)
    assert notes_in(old) == []
    # The old format has no location.
    offset = new.ego.rear_axle_poses[0, 0] - old.ego.rear_axle_poses[0, 0]
    np.testing.assert_allclose(old.ego.rear_axle_poses + offset, new.ego.rear_axle_poses, atol=1e-8)
    np.testing.assert_allclose(old.agents.velocities_mps, new.agents.velocities_mps, atol=1e-6)
    np.testing.assert_array_equal(old.map.lanes.speed_limit_mps, new.map.lanes.speed_limit_mps)
    assert "made up" in old.metadata["place"]


def test_format_2017a_has_dates_with_names_of_months_and_no_initial_state(commonroad_file):
    as_2018b(commonroad_file)
    rewrite(commonroad_file, '"2018b"', '"2017a"')
    rewrite(commonroad_file, "2020-03-01", "01-Mar-2020")
    rewrite(commonroad_file, "<initialState>", "<trajectory><state>")
    rewrite(commonroad_file, "</initialState><trajectory>", "</state>")
    rewrite(
        commonroad_file, '<planningProblem id="100"><trajectory><state>', '<planningProblem id="100"><goalRegion>'
    )
    rewrite(commonroad_file, "</initialState>\n  </planningProblem>", "</goalRegion></planningProblem>")
    recording = commonroad.import_recording(commonroad_file)
    assert notes_in(recording) == []
    assert recording.time_us[0] == 1583064000_000_000
    assert "car 7 of the recording, the car that is observed longest" in recording.metadata["ego"]


def test_motorway_tags_of_format_2018b_count(commonroad_file):
    as_2018b(commonroad_file)
    rewrite(commonroad_file, "urban multi_lane", "highway multi_lane")
    rewrite(commonroad_file, "<speedLimit>12.5</speedLimit>", "")
    limits = commonroad.import_recording(commonroad_file).map.lanes.speed_limit_mps
    np.testing.assert_array_equal(limits, 29.06)


def test_an_unreadable_date_is_replaced_with_a_note(commonroad_file):
    rewrite(commonroad_file, "2020-03-01", "yesterday")
    recording = commonroad.import_recording(commonroad_file)
    assert recording.time_us[0] == 946728000_000_000
    assert notes_in(recording) == ["assumed: recording date 2000-01-01, as the file has 'yesterday'"]


def test_countries_with_left_hand_traffic_are_marked(commonroad_file):
    assert commonroad.import_recording(commonroad_file).metadata["driving_side"] == "right"
    rewrite(commonroad_file, "ZAM_Mini", "AUS_Mini")
    assert commonroad.import_recording(commonroad_file).metadata["driving_side"] == "left"


def test_an_obstacle_of_one_step_is_observed_in_one_frame_with_its_speed(commonroad_file):
    text = commonroad_file.read_text()
    start, stop = text.index('<dynamicObstacle id="9">'), text.index("<planningProblem")
    once = text[start:stop]
    once = once[: once.index("<trajectory>")] + "</dynamicObstacle>"
    commonroad_file.write_text(
        text[:start] + once.replace("<exact>0</exact></time>", "<exact>20</exact></time>") + text[stop:]
    )
    recording = commonroad.import_recording(commonroad_file)
    row = recording.agents.track_ids.index("9")
    assert np.flatnonzero(recording.agents.valid[row]).tolist() == [20]
    np.testing.assert_allclose(recording.agents.velocities_mps[row, 20], [10.0, 0.0])
    assert notes_in(recording) == []


def test_a_file_at_2_hz_is_interpolated_with_a_note(commonroad_file):
    rewrite(commonroad_file, 'timeStepSize="0.1"', 'timeStepSize="0.5"')
    recording = commonroad.import_recording(commonroad_file)
    row = recording.agents.track_ids.index("8")
    assert recording.agents.valid[row].all()
    np.testing.assert_allclose(recording.agents.velocities_mps[row, :, 0], 2.0, atol=1e-6)
    assert notes_in(recording) == [
        "changed: ego poses given every 0.50 s are interpolated linearly to 0.1 s",
        "changed: agents given every 0.50 s are interpolated linearly to 0.1 s",
    ]


def test_odd_characters_in_the_benchmark_id_give_a_file_name(commonroad_file):
    rewrite(commonroad_file, "ZAM_Mini-1_1_T-1", "ZAM_Übung: 1/2")
    recording = commonroad.import_recording(commonroad_file)
    assert recording.log_name.startswith("commonroad-ZAM_-bung--1-2-")
    assert recording.map.name == recording.log_name
