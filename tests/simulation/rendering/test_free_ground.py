import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder
from simulation.rendering.free_ground import FreeGround, kerb_stations, noise, octagons

EVERYWHERE = (-1000.0, -1000.0, 1000.0, 1000.0)
NOTHING = np.zeros((0, 2))


def street(lanes: int = 2, shoulder_m: float = 0.0):
    builder = RoadBuilder(origin=(0.0, 0.0))
    builder.add_road(
        straight((0.0, 0.0), (100.0, 0.0)),
        lanes_forward=lanes,
        lanes_backward=lanes,
        lane_width_m=3.5,
        shoulder_forward_m=shoulder_m,
        shoulder_backward_m=shoulder_m,
    )
    return builder.build()


@given(seed=st.integers(0, 2**62), row=st.integers(-(2**62), 2**62))
def test_noise_depends_on_seed_and_numbers_and_is_in_the_unit_interval(seed, row):
    numbers = np.array([row, row + 1, row])
    draws = noise(seed, 3, numbers)
    assert draws.shape == (3, 3)
    assert ((draws >= 0) & (draws < 1)).all()
    np.testing.assert_array_equal(draws[:, 0], draws[:, 2])
    assert (draws[:, 0] != draws[:, 1]).all()
    assert (draws != noise(seed + 1, 3, numbers)).all()


def test_noise_is_uniform_and_not_correlated():
    x, y = np.meshgrid(np.arange(60), np.arange(60))
    draws = noise(7, 4, x.ravel(), y.ravel())
    np.testing.assert_allclose(draws.mean(axis=1), 0.5, atol=0.02)
    np.testing.assert_allclose(np.corrcoef(draws), np.eye(4), atol=0.05)
    fields = draws[0].reshape(60, 60)
    assert abs(np.corrcoef(fields[:, 1:].ravel(), fields[:, :-1].ravel())[0, 1]) < 0.05


def test_octagons_enclose_their_circles():
    shapes = octagons(np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([1.0, 2.0]))
    circles = [shapely.Point(1.0, 2.0).buffer(0.999), shapely.Point(5.0, 5.0).buffer(1.999)]
    assert all(shape.contains(circle) for shape, circle in zip(shapes, circles, strict=True))


def test_ground_is_free_off_road_walkways_and_kept_points():
    ground = FreeGround(
        road=np.array([shapely.box(0, 0, 10, 10)], dtype=object),
        walkways=np.array([shapely.box(10, 0, 12, 10)], dtype=object),
        kept_free=np.array([[20.0, 5.0]]),
    )
    points = shapely.points(np.array([[5.0, 5.0], [11.0, 5.0], [15.0, 5.0], [19.0, 5.0]]))
    off_road, off_walkways = ground.off_road_and_walkways(points)
    assert off_road.tolist() == [False, True, True, False]
    assert off_walkways.tolist() == [False, False, True, False]


@pytest.mark.parametrize(("lanes", "shoulder_m"), [(1, 0.0), (2, 0.0), (2, 2.5)])
def test_stations_are_on_the_kerb_of_both_sides_and_the_outward_direction_leaves_the_road(lanes, shoulder_m):
    graph = street(lanes, shoulder_m)
    stations = kerb_stations(graph, FreeGround.around(graph, EVERYWHERE, NOTHING), EVERYWHERE)
    edge_m = 3.5 * lanes + shoulder_m
    np.testing.assert_allclose(np.abs(stations.points[:, 1]), edge_m, atol=0.35)
    assert (np.abs(stations.points[:, 1]) >= edge_m).all()
    np.testing.assert_allclose(stations.outward[:, 1], np.sign(stations.points[:, 1]), atol=1e-6)
    assert len(stations) == 2 * 14


def test_a_one_way_street_has_stations_on_its_left_too():
    builder = RoadBuilder(origin=(0.0, 0.0))
    builder.add_road(straight((0.0, 0.0), (50.0, 0.0)), lanes_forward=2, lane_width_m=3.5)
    graph = builder.build()
    stations = kerb_stations(graph, FreeGround.around(graph, EVERYWHERE, NOTHING), EVERYWHERE)
    assert set(np.round(stations.points[:, 1] / 7.0).tolist()) == {-1.0, 0.0}
    assert (stations.lane_ids < 0).sum() == (stations.points[:, 1] > -1.0).sum() == 7


def test_a_place_without_lanes_has_no_stations():
    graph = street()
    far = (5000.0, 5000.0, 5100.0, 5100.0)
    assert len(kerb_stations(graph, FreeGround.around(graph, far, NOTHING), far)) == 0
