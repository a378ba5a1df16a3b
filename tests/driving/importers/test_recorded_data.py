"""The real recordings: all are imported, fit their maps, and are equal after writing and reading nuPlan files."""

from functools import cache

import numpy as np
import pytest
import shapely

from driving import AgentKind, LightStatus
from driving.checks import check_scenario
from driving.findings import FindingKind
from driving.importers.notes import notes_of
from driving.importers.registry import IMPORTERS
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world

AV2 = ("3b3570b4", "3bffdcff", "7fab2350", "adcf7d18")
NUSCENES = ("0061", "0103", "0553", "0655", "0757", "0796", "0916", "1077", "1094", "1100")
NGSIM = ("Lanker", "US101")
FOLDERS = {"argoverse2": "argoverse2/sensor", "track_archive": "nuscenes_mini", "commonroad": "ngsim_commonroad"}

RECORDINGS = [
    *(pytest.param("argoverse2", name, id=name) for name in AV2),
    *(pytest.param("track_archive", name, id=name) for name in NUSCENES),
    *(pytest.param("commonroad", name, id=name) for name in NGSIM),
]


@cache
def imported(folder, name, part):
    (source,) = [path for path in IMPORTERS[name].find(folder) if part in path.name]
    return IMPORTERS[name].read(source)


@pytest.fixture
def recording(request, recorded_data):
    name, part = request.param
    return imported(recorded_data / FOLDERS[name], name, part)


def scenes(*parts):
    """Recordings as parameters, by a part of their names."""
    chosen = [param for param in RECORDINGS if not parts or param.values[1] in parts]
    return pytest.mark.parametrize(
        "recording", [pytest.param(param.values, id=param.id) for param in chosen], indirect=True
    )


@scenes()
def test_recordings_pass_the_checks(recording):
    (scenario,) = recording.scenarios()
    findings = check_scenario(scenario, recorded=True)
    assert not [finding for finding in findings if finding.kind in (FindingKind.LANE_GAP, FindingKind.OFF_ROUTE)]
    assert scenario.num_frames == (
        151 if "ngsim" not in recording.metadata["source"].lower() else scenario.num_frames
    )


@scenes(*AV2, *NUSCENES)
def test_the_logged_ego_stays_on_the_road_and_on_its_route(recording):
    (scenario,) = recording.scenarios()
    corners = scenario.ego.corners()[0, scenario.frames]
    assert scenario.map.drivable_area.contains(corners.reshape(-1, 2)).all()
    blocks = [scenario.map.roadblock_polygon(block) for block in scenario.route.roadblock_ids]
    centers = scenario.ego.center_poses()[0, scenario.frames]
    on_route = shapely.contains_xy(shapely.union_all(blocks), centers[:, 0], centers[:, 1])
    # Scene 0757 changes between the two ways of a fork in the middle of it.
    assert on_route.mean() >= (0.88 if "0757" in recording.log_name else 1.0)


@scenes()
def test_lanes_do_not_overlap_and_connectors_join_two_lanes(recording):
    lanes = recording.map.lanes
    polygons = lanes.areas.polygons[: lanes.num_lanes]
    first, second = shapely.STRtree(polygons).query(polygons, predicate="overlaps")
    assert shapely.area(shapely.intersection(polygons[first], polygons[second])).max(initial=0.0) < 1e-6
    for row in range(lanes.num_lanes, len(lanes)):
        assert len(lanes.successors[row]) == len(lanes.predecessors[row]) == 1


@scenes("0061", "0103", "0655", "0796", "1077")
def test_paths_with_jitter_become_drivable(recording):
    assert np.percentile(np.hypot(*recording.ego.accelerations_mps2[0].T), 99) < 4.0


@scenes("7fab2350", "0061", "Lanker")
def test_what_is_written_is_read_back(recording, tmp_path):
    write_world([recording], tmp_path, images="none")
    (entry,) = list_scenarios(DataRoot.find(tmp_path))
    (ours,), read = recording.scenarios(), open_scenario(entry, allow_short=True)
    assert (read.scenario_id, read.scenario_type) == (ours.scenario_id, ours.scenario_type)
    assert read.route.roadblock_ids == ours.route.roadblock_ids
    np.testing.assert_array_equal(read.time_us, ours.time_us)
    np.testing.assert_allclose(read.ego.rear_axle_poses[..., :2], ours.ego.rear_axle_poses[..., :2], atol=1e-3)
    for step in (0, ours.first_frame, len(ours.time_us) - 1):
        here, there = ours.agents.rows_at(step), read.agents.rows_at(step)
        np.testing.assert_array_equal(read.agents.kinds[there], ours.agents.kinds[here])
        np.testing.assert_allclose(read.agents.poses[there, step, :2], ours.agents.poses[here, step, :2], atol=1e-3)
    np.testing.assert_array_equal(np.sort(read.map.lanes.ids), np.sort(ours.map.lanes.ids))


@scenes("0655")
def test_the_jump_at_the_end_of_scene_0655_is_cut_off(recording):
    assert len(recording.time_us) == 195


@scenes("0061")
def test_the_images_of_scene_0061_become_cameras(recording):
    cameras = recording.cameras
    assert len(cameras.paths) == 6
    assert cameras.image(0).shape == (900, 1600, 3)
    # The pose of the images is that of the path, which was smoothed.
    gap_m = np.hypot(*(cameras.global_from_ego[0, :2, 3] - recording.ego.rear_axle_poses[0, 0, :2]))
    assert gap_m < 0.5
    # A traffic cone 15 m ahead must be in the front image.
    front = cameras.rig.names.index("CAM_FRONT")
    pixel, depth = cameras.rig.project(front, np.array([[15.0, 0.0, 0.5]]))
    assert depth[0] == pytest.approx(13.3, abs=0.5)
    assert (pixel[0] > 0).all()
    assert (pixel[0] < [1600, 900]).all()


@scenes("0061")
def test_singapore_drives_on_the_left(recording):
    assert recording.metadata["driving_side"] == "left"
    lanes = recording.map.lanes
    pairs = [(row, recording.map.right_neighbor(row)) for row in range(lanes.num_lanes)]
    for left, right in [(left, right) for left, right in pairs if right is not None]:
        middle = recording.map.centerline(right).at(np.array([recording.map.centerline(right).length_m / 2]))
        assert recording.map.centerline(left).project(middle[:, :2])[0, 1] < 0


@scenes("3b3570b4")
def test_argoverse_agents_move_as_their_boxes_do(recording):
    agents = recording.agents
    vehicles = np.flatnonzero((agents.kinds == AgentKind.VEHICLE) & agents.valid.all(axis=1))
    moved_m = np.hypot(*(agents.poses[vehicles, -1, :2] - agents.poses[vehicles, 0, :2]).T)
    driven_m = np.hypot(*np.moveaxis(agents.velocities_mps[vehicles], -1, 0)).sum(axis=1) * 0.1
    assert len(vehicles) == 14
    assert (driven_m > moved_m - 1.0).all()
    assert not recording.traffic_lights.ids_showing(0, LightStatus.GREEN)


@scenes("Lanker")
def test_ngsim_keeps_the_limits_of_its_signs(recording):
    limits = np.unique(recording.map.lanes.speed_limit_mps)
    np.testing.assert_allclose(limits, [11.176, 13.4112])
    assert any("short" in note.sentence for note in notes_of(recording.metadata))
