import numpy as np
import pytest

from driving.map import StopLineKind
from driving.nuplan.geopackage import NOT_THERE
from driving.nuplan.map_tables import map_tables
from driving.synthetic.proving_ground import proving_ground


@pytest.fixture(scope="module")
def ground():
    return proving_ground().map


@pytest.fixture(scope="module")
def tables(ground):
    return {table.name: table for table in map_tables(ground)}


def column(table, name):
    return table.columns[name][1]


def test_there_is_a_table_for_each_layer(tables):
    assert len(tables) == 16
    assert list(tables) == sorted(tables)


def test_columns_and_geometries_have_one_value_per_row(tables):
    for table in tables.values():
        assert len(set(table.fids)) == len(table.fids) == len(table.geometries)
        assert {len(values) for _, values in table.columns.values()} <= {len(table.fids)}


def test_new_ids_collide_with_no_id_of_the_map(ground, tables):
    known = set(ground.lanes.ids.tolist()) | set(ground.roadblocks.ids.tolist())
    for name in ("boundaries", "baseline_paths", "dubins_nodes", "traffic_lights"):
        assert not known & set(tables[name].fids)


def test_neighbouring_lanes_share_a_boundary(ground, tables):
    left, right = (column(tables["lanes_polygons"], f"{side}_boundary_fid") for side in ("left", "right"))
    rows = range(ground.lanes.num_lanes)
    pairs = [(row, ground.right_neighbor(row)) for row in rows if ground.right_neighbor(row) is not None]
    assert pairs
    assert all(right[row] == left[neighbor] for row, neighbor in pairs)


def test_connectors_name_their_lanes(ground, tables):
    lanes, table = ground.lanes, tables["lane_connectors"]
    for number, row in enumerate(range(lanes.num_lanes, len(lanes))):
        before, after = lanes.predecessors[row], lanes.successors[row]
        assert column(table, "exit_lane_fid")[number] == (lanes.ids[before[0]] if len(before) else NOT_THERE)
        assert column(table, "entry_lane_fid")[number] == (lanes.ids[after[0]] if len(after) else NOT_THERE)


def test_unknown_speed_limits_are_null(ground, tables):
    limits = column(tables["lanes_polygons"], "speed_limit_mps")
    own = ground.lanes.speed_limit_mps[: ground.lanes.num_lanes]
    assert [limit is None for limit in limits] == np.isnan(own).tolist()


def test_each_stop_line_with_lights_has_a_traffic_light(ground, tables):
    count = int((ground.stop_lines.kinds == StopLineKind.TRAFFIC_LIGHT).sum())
    assert len(tables["traffic_lights"].fids) == count > 0
