import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driving.synthetic.proving_ground import proving_ground
from simulation.generation.corner_cases.chains import LateralShift, chain_through, oncoming_row


@pytest.fixture(scope="module")
def chain():
    """The eastbound lane of the straight road of the proving ground, y = -1.75, in its site frame."""
    site = proving_ground().sites["road"]
    map_graph = proving_ground().map
    row = map_graph.lane_row(site.chains["east_0"][0])
    return chain_through(map_graph, (row,), 0.0, 500.0, site.builder.origin)


def test_a_chain_continues_to_the_end_of_the_road(chain):
    assert chain.length_m == pytest.approx(560.0, abs=0.1)
    np.testing.assert_allclose(chain.beside(120.0, 1.0), [0.0, -0.75, 0.0], atol=1e-6)
    assert chain.project(np.array([10.0, 0.0])) == pytest.approx((130.0, 1.75))
    assert chain.project_global(np.array([10.0, 0.0]) + np.array(chain.origin)) == pytest.approx((130.0, 1.75))


def test_the_rows_of_a_chain_follow_on_each_other(chain):
    lanes = chain.map.lanes
    for before, after in zip(chain.rows, chain.rows[1:], strict=False):
        assert after in lanes.successors[before].tolist()
    assert len(chain.roadblock_ids) == len(set(chain.roadblock_ids))
    assert len(chain.speed_limits_mps) == len(chain.line.points)
    assert chain.speed_limits_mps == pytest.approx(13.89)


def test_a_chain_before_and_behind_a_lane_has_the_wanted_length():
    map_graph = proving_ground().map
    site = proving_ground().sites["road"]
    middle = map_graph.lane_row(site.chains["east_0"][-1])
    alone = chain_through(map_graph, (middle,), 0.0, 0.0, site.builder.origin)
    longer = chain_through(map_graph, (middle,), 30.0, 0.0, site.builder.origin)
    assert alone.rows == (middle,)
    assert longer.rows[-1] == middle
    assert longer.length_m >= alone.length_m + 30.0 - 1.0


def test_at_a_junction_a_chain_goes_straight_on():
    map_graph, site = proving_ground().map, proving_ground().sites["crossroads"]
    lanes = map_graph.lanes
    for row in range(lanes.num_lanes):
        if len(lanes.successors[row]) < 3:
            continue
        chain = chain_through(map_graph, (row,), 0.0, 1.0, site.builder.origin)
        headings = map_graph.centerline(chain.rows[1]).headings
        assert abs(headings[-1] - headings[0]) < 0.2
        return
    pytest.fail("the proving ground has a lane with three successors")


def test_the_edges_and_the_oncoming_lane_are_found(chain):
    assert chain.edge_m(120.0, -1) == pytest.approx(1.75 + 2.5, abs=0.11)
    assert chain.edge_m(120.0, 1) == pytest.approx(1.75 + 3.5 + 2.5, abs=0.11)
    row = oncoming_row(chain, 120.0)
    heading = chain.map.centerline(row).headings[0]
    assert np.cos(heading) == pytest.approx(-1.0)


def test_the_right_lane_of_an_avenue_has_no_oncoming_neighbour():
    map_graph, avenue = proving_ground().map, proving_ground().sites["avenue"]
    rows = [map_graph.lane_row(avenue.chains[name][0]) for name in avenue.chains]
    right = next(row for row in rows if map_graph.left_neighbor(row) is not None)
    assert oncoming_row(chain_through(map_graph, (right,), 0.0, 1.0, avenue.builder.origin), 60.0) is None


def test_a_shift_moves_the_path_aside(chain):
    path = chain.shifted((LateralShift(begin_m=100.0, length_m=40.0, left_m=3.0),))
    np.testing.assert_allclose(path.poses(np.array([90.0, 300.0]))[:, 1], [-1.75, 1.25], atol=1e-3)
    assert chain.shifted() is chain.path


@settings(deadline=None, max_examples=20)
@given(st.floats(20.0, 200.0), st.floats(12.0, 60.0), st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
def test_shifts_are_smooth_and_add_up(chain, begin_m, length_m, left_m, start_left_m):
    shifts = (
        LateralShift(begin_m=begin_m, length_m=length_m, left_m=left_m),
        LateralShift(begin_m=begin_m + length_m + 20.0, length_m=length_m, left_m=-left_m),
    )
    path = chain.shifted(shifts, start_left_m)
    along = np.linspace(0.0, path.length_m, 1200)
    y = path.poses(along)[:, 1] + 1.75
    assert y[[0, -1]] == pytest.approx([start_left_m, start_left_m], abs=1e-3)
    between = np.interp(begin_m + length_m + 10.0, path.poses(along)[:, 0] + 120.0, y)
    assert between == pytest.approx(start_left_m + left_m, abs=0.05)
    # The second derivative of 10 u^3 - 15 u^4 + 6 u^5 is at most 5.77.
    assert np.abs(path.curvature(along)).max() <= 1.1 * 5.78 * abs(left_m) / length_m**2 + 1e-3
