"""The exhaustive version, with all damages of fields, is `benchmarks/damaged_data.py`."""

import pytest

from benchmarks.damaged_data import DamagedWorld
from driving.nuplan.log_tables import LOG_TABLES

LAYERS = (
    *("baseline_paths", "boundaries", "carpark_areas", "crosswalks", "dubins_nodes", "generic_drivable_areas"),
    *("gen_lane_connectors_scaled_width_polygons", "intersections", "lane_connectors", "lane_group_connectors"),
    *(
        "lane_groups_polygons",
        "lanes_polygons",
        "meta",
        "road_segments",
        "stop_polygons",
        "traffic_lights",
        "walkways",
    ),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return DamagedWorld(tmp_path_factory.mktemp("damaged"))


def test_every_table_and_layer_is_damaged(world):
    assert {damage.table for damage in world.damages()} == {*LOG_TABLES, *LAYERS}


@pytest.mark.parametrize("table", [*LOG_TABLES, *LAYERS])
def test_a_damaged_column_changes_no_drive_without_a_line(world, table):
    damages = [
        damage
        for damage in world.damages()
        if damage.table == table and damage.kind in ("NULL", "point") and damage.all_rows == (damage.column != "geom")
    ]
    assert damages
    assert [violation for damage in damages if (violation := world.violation(damage))] == []


def test_a_log_is_driven_without_optional_tables_and_goals(world):
    for table in ("camera", "image", "traffic_light_status", "recording_metadata"):
        assert world.without_table(table).error == ""
    assert world.without_goals().error == ""
