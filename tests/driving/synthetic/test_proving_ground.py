from itertools import pairwise

import numpy as np
import pytest

from driving import TurnKind
from driving.map_checks import map_findings
from driving.synthetic.proving_ground import ARMS, proving_ground


def test_the_proving_ground_is_sound():
    ground = proving_ground()
    assert map_findings(ground.map) == []
    assert (ground.map.name, ground.map.epsg) == ("us-nv-las-vegas-strip", 32611)
    assert all(polygon.is_valid for polygon in ground.map.lanes.areas.polygons)
    assert all(polygon.is_valid for polygon in ground.map.drivable_area.polygons)
    assert len(ground.map.crosswalks) == 5
    assert len(ground.map.walkways) == 2


def test_ids_are_unique_over_all_layers():
    map_graph = proving_ground().map
    layers = (
        map_graph.lanes.areas,
        map_graph.roadblocks,
        map_graph.roadblock_connectors,
        map_graph.intersections,
        map_graph.stop_lines,
        map_graph.crosswalks,
        map_graph.walkways,
        map_graph.road_segments,
    )
    ids = np.concatenate([layer.ids for layer in layers])
    assert len(np.unique(ids)) == len(ids)


@pytest.mark.parametrize(
    ("chain", "turn"),
    [("south_to_west", TurnKind.LEFT), ("south_to_east", TurnKind.RIGHT), ("south_to_north", TurnKind.STRAIGHT)],
)
def test_connectors_have_turn_kind_lights_and_intersection(chain, turn):
    ground = proving_ground()
    (connector,) = ground.sites["crossroads"].connectors(chain)
    row = ground.map.lane_row(connector)
    assert ground.map.lanes.turn_kinds[row] == turn
    assert ground.map.lanes.has_traffic_lights[row]
    assert ground.map.lanes.intersection_ids[row] in ground.map.intersections.ids


@pytest.mark.parametrize("start", ARMS)
@pytest.mark.parametrize("end", ARMS)
def test_every_path_through_the_roundabout_is_connected(start, end):
    ground = proving_ground()
    rows = [ground.map.lane_row(lane_id) for lane_id in ground.sites["roundabout"].chains[f"{start}_to_{end}"]]
    for before, after in pairwise(rows):
        assert after in ground.map.lanes.successors[before]


def test_boundaries_lie_on_their_sides_of_the_lane():
    lanes = proving_ground().map.lanes
    for row in range(len(lanes)):
        line = proving_ground().map.centerline(row)
        assert np.median(line.project(lanes.left_boundaries[row])[:, 1]) > 1.0
        assert np.median(line.project(lanes.right_boundaries[row])[:, 1]) < -1.0
