import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import shapely

from driving import AreaLayer, IntersectionKind, MapGraph, Ragged, StopLineKind, TurnKind
from driving.map import polygon_array
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder

BUILDER = RoadBuilder(origin=(1000.0, 2000.0), first_id=100)
WEST = BUILDER.add_road(straight((-50.0, 0.0), (0.0, 0.0)), lanes_forward=2, lanes_backward=1)
EAST = BUILDER.add_road(straight((20.0, 0.0), (70.0, 0.0)), lanes_forward=2, lanes_backward=1, speed_limit_mps=None)
JOINT = BUILDER.add_intersection(IntersectionKind.TRAFFIC_LIGHT)
LINE = BUILDER.add_stop_line(WEST.forward_lanes, StopLineKind.TRAFFIC_LIGHT)
STRAIGHT = [
    BUILDER.add_connector(WEST.forward_lanes[index], EAST.forward_lanes[index], JOINT, traffic_light_stop_line=LINE)
    for index in range(2)
]
CROSSWALK = BUILDER.add_crosswalk((30.0, -8.0), (30.0, 5.0))
CARPARK = BUILDER.add_carpark(shapely.box(30.0, -40.0, 60.0, -10.0))
MAP = BUILDER.build()


def at(x: float, y: float) -> np.ndarray:
    return np.array([1000.0 + x, 2000.0 + y])


def ids(rows: np.ndarray) -> list[int]:
    return MAP.lanes.ids[rows].tolist()


def test_lanes_are_before_connectors():
    assert MAP.lanes.num_lanes == 6
    assert len(MAP.lanes) == 8
    assert [MAP.lanes.is_connector(row) for row in (5, 6)] == [False, True]
    assert MAP.lane_row(STRAIGHT[0]) == 6


def test_a_point_finds_its_lane_and_its_connector():
    assert ids(MAP.lane_rows_at(at(-10.0, -1.75))) == [WEST.forward_lanes[0]]
    assert ids(MAP.lane_rows_at(at(-10.0, -5.25))) == [WEST.forward_lanes[1]]
    assert ids(MAP.lane_rows_at(at(-10.0, 1.75))) == [WEST.backward_lanes[0]]
    assert ids(MAP.connector_rows_at(at(10.0, -5.25))) == [STRAIGHT[1]]
    assert ids(MAP.lane_rows_at(at(10.0, -5.25))) == []


def test_the_border_of_a_polygon_is_outside():
    assert ids(MAP.lane_rows_at(at(-10.0, -3.5))) == []
    assert MAP.carparks.contains(np.array([at(30.0, -20.0), at(30.01, -20.0)])).tolist() == [False, True]


def test_proximity_is_a_square():
    corner = at(30.0 - 4.0, -40.0 - 4.0)
    assert MAP.carparks.rows_near(corner, 4.5).tolist() == [0]
    assert MAP.carparks.rows_near(corner, 3.9).tolist() == []


def test_the_nearest_area_is_0_m_away_from_inside():
    assert MAP.carparks.nearest(at(40.0, -20.0)) == (0, 0.0)
    assert MAP.carparks.nearest(at(40.0, -7.0)) == (0, pytest.approx(3.0))
    with pytest.raises(ValueError, match="no nearest area"):
        AreaLayer.empty().nearest(at(0.0, 0.0))


def test_of_two_equally_near_areas_the_first_row_is_returned():
    layer = AreaLayer(
        ids=np.array([9, 4]), polygons=polygon_array([shapely.box(2, 0, 3, 1), shapely.box(-3, 0, -2, 1)])
    )
    assert layer.nearest(np.array([0.0, 0.5])) == (0, 2.0)


def test_neighbours_are_the_lanes_of_the_same_roadblock():
    left, right = (MAP.lane_row(lane_id) for lane_id in WEST.forward_lanes)
    assert MAP.right_neighbor(left) == right
    assert MAP.left_neighbor(right) == left
    assert MAP.left_neighbor(left) is None
    assert MAP.right_neighbor(right) is None
    assert MAP.left_neighbor(MAP.lane_row(STRAIGHT[1])) is None


def test_lanes_and_connectors_are_linked():
    before, connector, after = (MAP.lane_row(n) for n in (WEST.forward_lanes[1], STRAIGHT[1], EAST.forward_lanes[1]))
    assert MAP.lanes.successors[before].tolist() == [connector]
    assert MAP.lanes.successors[connector].tolist() == [after]
    assert MAP.lanes.predecessors[after].tolist() == [connector]
    assert MAP.lanes.predecessors[connector].tolist() == [before]


def test_roadblocks_are_linked_by_their_connector():
    (between,) = MAP.roadblock_successors(WEST.forward_roadblock)
    assert MAP.roadblock_successors(between) == [EAST.forward_roadblock]
    assert MAP.roadblock_predecessors(EAST.forward_roadblock) == [between]
    assert MAP.roadblock_predecessors(WEST.forward_roadblock) == []
    assert MAP.roadblock_edges.tolist() == [[WEST.forward_roadblock, EAST.forward_roadblock, JOINT]]
    assert ids(MAP.lane_rows_of_roadblock(between)) == STRAIGHT
    assert ids(MAP.lane_rows_of_roadblock(WEST.forward_roadblock)) == list(WEST.forward_lanes)
    assert MAP.roadblock_polygon(between).area == pytest.approx(20.0 * 7.0)


def test_the_nearest_lane_has_the_direction_of_the_pose():
    assert ids([MAP.nearest_lane_row(np.array([*at(-10.0, 0.0), 0.0]))]) == [WEST.forward_lanes[0]]
    assert ids([MAP.nearest_lane_row(np.array([*at(-10.0, 0.0), np.pi]))]) == [WEST.backward_lanes[0]]
    assert MAP.nearest_lane_row(np.array([*at(-10.0, 500.0), 0.0])) is None


def test_the_drivable_area_concatenates_four_layers_in_nuplans_order():
    area = MAP.drivable_area
    assert area.ids.tolist() == [WEST.segment_id, EAST.segment_id, JOINT, CARPARK]
    inside = area.contains(np.array([at(-10.0, 3.0), at(10.0, -3.0), at(40.0, -20.0), at(10.0, 3.0)]))
    assert inside.tolist() == [True, True, True, False]


def test_a_connector_with_lights_has_stop_lines():
    row = MAP.lane_row(STRAIGHT[0])
    assert MAP.lanes.has_traffic_lights[row]
    assert MAP.stop_lines.ids[MAP.stop_lines_of(row)].tolist() == [LINE]
    assert MAP.stop_lines_of(0) == []


def test_without_a_touching_stop_line_the_nearest_is_returned():
    row, far = MAP.lane_row(STRAIGHT[0]), [shapely.box(900, 1990, 910, 2000), shapely.box(940, 1990, 945, 2000)]
    lines = AreaLayer(ids=np.array([LINE, 7]), polygons=polygon_array(far))
    named = Ragged.from_rows([np.array([LINE, 7, 8])] * len(MAP.lanes), np.zeros(0, dtype=np.int64))
    changed = replace(MAP, stop_lines=lines, lanes=replace(MAP.lanes, stop_line_ids=named))
    assert changed.stop_lines_of(row) == [1]


def test_speed_limits_may_be_unknown():
    known, unknown = MAP.lane_row(WEST.forward_lanes[0]), MAP.lane_row(EAST.forward_lanes[0])
    assert MAP.speed_limit_mps(known) == 13.89
    assert MAP.speed_limit_mps(unknown) is None
    assert MAP.speed_limit_mps(unknown, default=15.0) == 15.0


def test_straight_connectors_have_their_kind():
    assert MAP.lanes.turn_kinds[MAP.lane_row(STRAIGHT[0])] == TurnKind.STRAIGHT


def test_unknown_ids_are_named():
    with pytest.raises(KeyError, match="has no lane or lane connector 5"):
        MAP.lane_row(5)
    with pytest.raises(KeyError, match="has no roadblock or roadblock connector 5"):
        MAP.roadblock_polygon(5)
    assert not MAP.has_roadblock(5)


def test_ragged_rows_may_be_empty():
    rows = Ragged.from_rows([np.array([1, 2]), np.zeros(0), np.array([3])], np.zeros(0, dtype=np.int64))
    assert [rows[i].tolist() for i in range(len(rows))] == [[1, 2], [], [3]]
    assert len(Ragged.from_rows([], np.zeros((0, 2)))) == 0


def test_a_layer_needs_one_id_per_polygon():
    with pytest.raises(ValueError, match="one id per polygon, got 1 for 0"):
        AreaLayer(ids=np.array([1]), polygons=polygon_array([]))


def test_a_map_without_a_file_is_pickled_by_value():
    MAP.drivable_area.tree  # noqa: B018  (built here, and not sent along)
    copy = pickle.loads(pickle.dumps(MAP))
    assert copy is not MAP
    np.testing.assert_array_equal(copy.lanes.centerlines.values, MAP.lanes.centerlines.values)
    assert copy.lanes.areas.polygons[0].equals(MAP.lanes.areas.polygons[0])
    assert ids(copy.lane_rows_at(at(-10.0, -1.75))) == [WEST.forward_lanes[0]]


@dataclass(frozen=True)
class Shelf:
    """Stands for a map file that this process has open already."""

    label: str

    def open(self) -> MapGraph:
        return ON_DISK


ON_DISK = replace(MAP, source=Shelf("a map"))


def test_a_map_on_disk_is_pickled_by_reference(monkeypatch):
    # Test modules have no importable name; by value, the class would have to be found by pickle.
    parcel = MapGraph.__reduce__(ON_DISK)
    assert parcel[1] == (Shelf("a map"),)
    assert parcel[0](*parcel[1]) is ON_DISK
