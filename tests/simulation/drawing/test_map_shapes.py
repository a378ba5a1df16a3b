import numpy as np

from driving.importers.track_archive import import_recording
from driving.synthetic.scenes import scene
from simulation.drawing.map_shapes import TOLERANCE_M, map_shapes, region_around


def shapes_of(name, margin_m=120.0):
    scenario = scene(name)
    region = region_around(scenario.ego.rear_axle_poses[0, :, :2], margin_m)
    return scenario, region, map_shapes(scenario.map, region, scenario.route.roadblock_ids)


def test_a_region_contains_all_points_and_a_margin():
    assert region_around(np.array([[0.0, 5.0], [10.0, -5.0]]), 2.0) == (-2.0, -7.0, 12.0, 7.0)


def test_areas_are_clipped_to_the_region():
    _, (left, bottom, right, top), shapes = shapes_of("straight_road", margin_m=10.0)
    points = np.concatenate(shapes["drivable"].points)
    assert points.min(axis=0).tolist() >= [left, bottom]
    assert (points.max(axis=0) <= [right, top]).all()


def test_lines_carry_the_ids_of_their_lanes():
    scenario, _, shapes = shapes_of("roundabout")
    lanes = scenario.map.lanes
    assert set(shapes["lanes"].values) <= set(lanes.ids[: lanes.num_lanes].tolist())
    assert set(shapes["connectors"].values) <= set(lanes.ids[lanes.num_lanes :].tolist())
    assert len(shapes["boundaries"].points) == 2 * len(shapes["lanes"].points)


def test_simplified_centerlines_stay_within_the_tolerance():
    scenario, _, shapes = shapes_of("roundabout")
    for line, lane_id in zip(shapes["lanes"].points, shapes["lanes"].values, strict=True):
        row = scenario.map.lane_row(lane_id)
        assert len(line) <= len(scenario.map.lanes.centerlines[row])
        lateral_m = scenario.map.centerline(row).project(np.ascontiguousarray(line))[:, 1]
        assert np.abs(lateral_m).max() <= TOLERANCE_M + 1e-9


def test_the_route_layer_contains_only_lanes_of_the_route():
    scenario, _, shapes = shapes_of("roundabout")
    assert shapes["route"].points
    empty = map_shapes(scenario.map, region_around(scenario.ego.rear_axle_poses[0, :, :2]), ())
    assert empty["route"].points == ()


def test_recorded_maps_with_slivers_are_clipped(recorded_data):
    map_graph = import_recording(recorded_data / "nuscenes_mini" / "tracks" / "scene-0553.npz").map
    # `shapely.clip_by_rect` raises an error here.
    shapes = map_shapes(map_graph, (331744.0, 4690304.0, 331776.0, 4690336.0), ())
    assert shapes["drivable"].points
