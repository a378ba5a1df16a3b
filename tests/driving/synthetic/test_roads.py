import pytest

from driving import IntersectionKind, StopLineKind
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder


def test_areas_of_all_kinds_can_be_added():
    builder = RoadBuilder()
    road = builder.add_road(straight((0.0, 0.0), (50.0, 0.0)), lanes_forward=1, shoulder_forward_m=2.0)
    drive = builder.add_drivable_area(builder.lanes[road.forward_lanes[0]].polygon.buffer(5.0))
    crosswalk = builder.add_crosswalk((25.0, -5.0), (25.0, 1.0), width_m=4.0)
    line = builder.add_stop_line(road.forward_lanes, StopLineKind.PED_CROSSING)
    map_graph = builder.build()
    assert map_graph.generic_drivable_areas.ids.tolist() == [drive]
    assert map_graph.crosswalks.ids.tolist() == [crosswalk]
    assert map_graph.crosswalks.polygons[0].area == pytest.approx(24.0)
    assert map_graph.stop_lines.ids.tolist() == [line]
    assert map_graph.stop_lines.kinds.tolist() == [StopLineKind.PED_CROSSING]
    assert map_graph.road_segments.polygons[0].area == pytest.approx(50.0 * 5.5)
    assert map_graph.roadblock_edges.shape == (0, 3)


def test_a_road_needs_a_lane():
    with pytest.raises(ValueError, match="at least one lane"):
        RoadBuilder().add_road(straight((0.0, 0.0), (50.0, 0.0)), lanes_forward=0)


def test_an_intersection_needs_a_surface():
    builder = RoadBuilder()
    number = builder.add_intersection(IntersectionKind.DEFAULT)
    with pytest.raises(ValueError, match=f"Intersection {number} has neither a polygon nor a connector"):
        builder.build()
