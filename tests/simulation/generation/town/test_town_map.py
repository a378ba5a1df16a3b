import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.town_map import CROSSWALK_FROM_M, CROSSWALK_TO_M, LOCATIONS

DEGREES = {"las_vegas": (-115.2, 36.1), "pittsburgh": (-80.0, 40.4), "boston": (-71.1, 42.3)}
"""Longitude and latitude of the cities."""


@pytest.mark.parametrize("name", LOCATIONS)
def test_the_towns_lie_in_their_cities(name):
    place = LOCATIONS[name]
    there = Transformer.from_crs(CRS.from_epsg(place.epsg), CRS.from_epsg(4326), always_xy=True)
    assert there.transform(*place.origin) == pytest.approx(DEGREES[place.area], abs=0.3)
    assert place.area.split("_")[-1] in name


def test_movements_are_in_the_order_of_the_connectors(observed):
    lanes, town = observed.town.map.lanes, observed.town
    assert [move.lane_id for move in town.movements] == lanes.ids[lanes.num_lanes :].tolist()
    assert [int(move.turn) for move in town.movements] == lanes.turn_kinds[lanes.num_lanes :].tolist()
    for move in town.movements:
        assert move.from_arm != move.to_arm
        assert max(move.from_arm, move.to_arm) < len(town.plan.junctions[move.junction].arms)


def test_only_connectors_of_signals_have_traffic_lights(observed):
    town = observed.town
    is_signal = [town.plan.junctions[move.junction].kind == JunctionKind.SIGNAL for move in town.movements]
    lanes = town.map.lanes
    assert lanes.has_traffic_lights.tolist() == [False] * lanes.num_lanes + is_signal


def test_foot_paths_are_crosswalks_or_walkways(observed):
    town = observed.town
    crosswalks = [path for path in town.foot_paths if path.crosswalk_id is not None]
    assert [path.crosswalk_id for path in crosswalks] == town.map.crosswalks.ids.tolist()
    assert len(town.foot_paths) - len(crosswalks) == len(town.map.walkways)
    for path in crosswalks:
        assert len(path.points) == 2
        row = town.map.crosswalks.row(path.crosswalk_id)
        line = shapely.LineString(path.points + town.origin)
        # The path begins and ends beside the road; the crosswalk ends at the kerb.
        assert 2.0 < line.difference(town.map.crosswalks.polygons[row].buffer(1e-6)).length < 5.0


def test_crosswalks_lie_between_the_end_of_the_lanes_and_the_junction(observed):
    town = observed.town
    lanes = town.map.lanes
    for path in town.foot_paths:
        if path.crosswalk_id is None:
            continue
        rows = [
            row
            for row, move in enumerate(town.movements)
            if (move.junction, move.from_arm) == (path.junction, path.arm)
        ]
        polygon = town.map.crosswalks.polygons[town.map.crosswalks.row(path.crosswalk_id)]
        for row in rows:
            line = lanes.centerlines[lanes.num_lanes + row]
            inside = shapely.LineString(line).intersection(polygon)
            along = [shapely.LineString(line).project(shapely.Point(point)) for point in inside.coords]
            assert min(along) == pytest.approx(CROSSWALK_FROM_M, abs=0.15)
            # A connector that turns crosses the rest at an angle.
            assert CROSSWALK_TO_M - 0.05 < max(along) < CROSSWALK_TO_M + 0.6


def test_every_parking_place_is_drivable(observed):
    town = observed.town
    assert len(town.parking_poses) > 100
    assert town.map.drivable_area.contains(np.ascontiguousarray(town.parking_poses[:, :2])).all()
