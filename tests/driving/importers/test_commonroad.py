import numpy as np
import pytest

from driving import PACIFICA, AgentKind
from driving.checks import check_scenario
from driving.importers import commonroad


def rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_car_becomes_the_ego_with_the_same_centre(commonroad_file):
    recording = commonroad.import_recording(commonroad_file)
    # Car 9 is nearer to the start of the planning problem, but leaves after a second.
    assert "car 7" in recording.metadata["ego"]
    assert "nearest to the planning problem's start (1.0 m)" in recording.metadata["ego"]
    assert recording.agents.track_ids == ("8", "9")
    assert recording.agents.kinds.tolist() == [AgentKind.VEHICLE, AgentKind.VEHICLE]
    ego, truck = recording.ego.center_poses()[0], recording.agents.poses[0]
    np.testing.assert_allclose(truck[0] - ego[0], [20.0, 4.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(recording.ego.velocities_mps[0, :, 0], 10.0, atol=1e-6)
    gap_m = ego[0, 0] - recording.ego.rear_axle_poses[0, 0, 0]
    assert gap_m == pytest.approx(PACIFICA.rear_axle_to_center_m)
    check_scenario(recording.scenarios()[0], recorded=True)


def test_another_ego_can_be_asked_for(commonroad_file):
    recording = commonroad.import_recording(commonroad_file, ego="8")
    assert recording.agents.track_ids == ("7", "9")
    assert "as asked for" in recording.metadata["ego"]


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


def test_a_motorway_without_signs_is_fast(commonroad_file):
    rewrite(commonroad_file, "<urban/>", "<highway/>")
    rewrite(commonroad_file, "<additionalValue>12.5</additionalValue>", "")
    limits = commonroad.import_recording(commonroad_file).map.lanes.speed_limit_mps
    np.testing.assert_array_equal(limits, 29.06)


def test_files_are_found_by_folder_or_name(commonroad_file):
    assert commonroad.find_scenarios(commonroad_file) == [commonroad_file]
    assert commonroad.find_scenarios(commonroad_file.parent) == [commonroad_file]


def test_a_folder_without_scenarios_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No CommonRoad scenario \(\*.xml\)"):
        commonroad.find_scenarios(tmp_path)


def test_an_ego_that_does_not_exist_is_answered_with_those_that_do(commonroad_file):
    with pytest.raises(KeyError, match=r"no moving obstacle '5' to be the ego; it has \['7', '8', '9'\]"):
        commonroad.import_recording(commonroad_file, ego="5")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("</commonRoad>", "", "is no complete XML file"),
        ("commonRoad", "openRoad", "is no CommonRoad file: its root is <openRoad>"),
        ('commonRoadVersion="2020a"', 'commonRoadVersion="2018b"', "is of CommonRoad version 2018b; 2020a is read"),
        ("<type>truck</type>", "<type>ufo</type>", "Obstacle 8 is of the unknown type 'ufo'"),
        ("<width>2.0</width>", "", "is no rectangle and no circle"),
        ("<orientation><exact>0</exact></orientation>", "", "has no orientation/exact"),
        ("<x>10</x>", "<x>ten</x>", "Expected a number in the state of obstacle 7, got 'ten'"),
        ('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "has a document type"),
    ],
)
def test_broken_files_are_refused_in_a_sentence(commonroad_file, old, new, sentence):
    rewrite(commonroad_file, old, new)
    with pytest.raises(ValueError, match=sentence):
        commonroad.import_recording(commonroad_file)


def test_a_file_without_cars_is_refused(commonroad_file):
    rewrite(commonroad_file, "<type>car</type>", "<type>pedestrian</type>")
    rewrite(commonroad_file, "<type>truck</type>", "<type>pedestrian</type>")
    with pytest.raises(ValueError, match="no recorded car that could be the ego"):
        commonroad.import_recording(commonroad_file)
