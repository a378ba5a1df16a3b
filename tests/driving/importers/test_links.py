import numpy as np
import pytest
import shapely

from driving.importers.links import lane_network
from driving.importers.pieces import piece_between

AWAY = np.zeros((1, 3)) - 1e3
"""A pose that is on no lane."""


def piece(key, start, end, *, width=4.0, is_connector=False, **links):
    """A straight piece from point to point."""
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    ahead = (end - start) / np.hypot(*(end - start))
    left = width / 2 * np.array([-ahead[1], ahead[0]])
    return piece_between(
        key=key,
        is_connector=is_connector,
        left=np.stack([start + left, end + left]),
        right=np.stack([start - left, end - left]),
        **links,
    )


def ends(network):
    return sorted((connection.start, connection.end) for connection in network.connections)


def names(network):
    return [[lane.key for lane in group] for group in network.groups]


def length_m(network, start, end):
    (connection,) = [way for way in network.connections if (way.start, way.end) == (start, end)]
    return connection.piece.length_m


def test_a_link_that_one_side_names_holds_for_both():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0)),
            piece("j", (40, 0), (50, 0), is_connector=True, predecessors=["a"]),
            piece("b", (50, 0), (90, 0), predecessors=["j"]),
        ],
        AWAY,
    )
    assert ends(network) == [("a", "b")]
    assert length_m(network, "a", "b") == pytest.approx(10.0)


def test_consecutive_junction_pieces_are_one_connector():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), successors=["j"]),
            piece("j", (40, 0), (50, 0), is_connector=True, successors=["k", "l"]),
            piece("k", (50, 0), (60, 0), is_connector=True, successors=["b"]),
            piece("l", (50, 0), (60, 3), is_connector=True, successors=["c"]),
            piece("b", (60, 0), (90, 0)),
            piece("c", (60, 5), (90, 5)),
        ],
        AWAY,
    )
    assert ends(network) == [("a", "b"), ("a", "c")]
    assert length_m(network, "a", "b") == pytest.approx(20.0)


def test_the_ends_of_consecutive_lanes_become_a_connector():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), successors=["b"], left_neighbor="c"),
            piece("b", (40, 0), (80, 0)),
            # Beside a, and cut like it, though nothing follows.
            piece("c", (0, 4), (40, 4), right_neighbor="a"),
        ],
        AWAY,
    )
    assert ends(network) == [("a", "b")]
    assert names(network) == [["c", "a"], ["b"]]
    assert length_m(network, "a", "b") == pytest.approx(3.0)
    assert [lane.length_m for lane in network.groups[0]] == pytest.approx([38.5, 38.5])


def test_a_junction_piece_that_leads_out_of_the_map_ends_in_a_stub():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), successors=["j", "elsewhere"]),
            piece("j", (40, 0), (60, 0), is_connector=True, successors=["elsewhere"]),
        ],
        AWAY,
    )
    assert ends(network) == [("a", "behind j")]
    assert network.num_stubs == 1
    assert length_m(network, "a", "behind j") == pytest.approx(15.0)


def test_junction_pieces_with_one_start_share_their_stub():
    network = lane_network(
        [
            piece("j", (0, 0), (20, 0), is_connector=True, successors=["a"]),
            piece("k", (0, 0), (20, 4), is_connector=True, successors=["b"]),
            piece("a", (20, 0), (60, 0)),
            piece("b", (20, 4), (60, 4)),
        ],
        AWAY,
    )
    assert ends(network) == [("before j", "a"), ("before j", "b")]
    for connection in network.connections:
        np.testing.assert_allclose(connection.piece.centerline[0], [5.0, 0.0])


def test_lanes_that_fork_over_each_other_become_connectors():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), successors=["m", "n"]),
            piece("m", (40, 0), (60, 1), successors=["b"]),
            piece("n", (40, 0), (60, -1), successors=["c"]),
            piece("b", (60, 2), (90, 2)),
            piece("c", (60, -2), (90, -2)),
        ],
        AWAY,
    )
    assert ends(network) == [("a", "b"), ("a", "c")]
    assert network.num_overlaid == 2


@pytest.mark.parametrize(("heading", "stays"), [(0.0, "east"), (np.pi, "west")])
def test_of_two_directions_in_an_alley_the_driven_one_stays_a_lane(heading, stays):
    alley = [
        piece("a", (0, 0), (40, 0), successors=["east"]),
        piece("east", (40, 0), (80, 0), successors=["b"]),
        piece("b", (80, 0), (120, 0)),
        piece("c", (120, 8), (80, 8), successors=["west"]),
        piece("west", (80, 0.1), (40, 0.1), successors=["d"]),
        piece("d", (40, 8), (0, 8)),
    ]
    network = lane_network(alley, np.array([[60.0, 0.0, heading]]))
    gone = {"east": "west", "west": "east"}[stays]
    assert [stays] in names(network)
    assert [gone] not in names(network)
    assert {"east": ("c", "d"), "west": ("a", "b")}[stays] in ends(network)


def test_a_neighbor_in_another_direction_is_no_group():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), left_neighbor="b", successors=["c"]),
            piece("b", (0, 4), (40, 4), right_neighbor="a", left_neighbor="x"),
            piece("c", (40, 0), (80, 0), left_neighbor="a"),
        ],
        AWAY,
    )
    # Each lane is in one group only, whatever neighbors a source names.
    keys = [key for group in names(network) for key in group]
    assert sorted(keys) == ["a", "b", "c"]


def test_connectors_begin_and_end_where_their_lanes_do():
    network = lane_network(
        [
            piece("a", (0, 0), (40, 0), successors=["j"]),
            piece("j", (40.4, 0.3), (50, 3), is_connector=True, successors=["b"]),
            piece("b", (52, 4), (90, 4)),
        ],
        AWAY,
    )
    (connection,) = network.connections
    np.testing.assert_allclose(connection.piece.centerline[[0, -1]], [[40, 0], [52, 4]])


def test_a_map_of_junctions_only_is_refused():
    with pytest.raises(ValueError, match="no lane for vehicles"):
        lane_network([piece("j", (0, 0), (9, 0), is_connector=True)], AWAY)


def test_a_boundary_of_one_point_is_refused():
    with pytest.raises(ValueError, match="A boundary of road piece 'a' needs at least 2 distinct points, got 1"):
        piece_between(key="a", is_connector=False, left=np.zeros((3, 2)), right=np.array([[0.0, -4], [9, -4]]))


def test_boundaries_that_cross_still_enclose_an_area():
    twisted = piece_between(
        key="a", is_connector=True, left=np.array([[0.0, 2], [20, -2]]), right=np.array([[0.0, -2], [20, 2]])
    )
    assert twisted.polygon.is_valid
    assert isinstance(twisted.polygon, shapely.Polygon)
    assert twisted.polygon.area == pytest.approx(40.0, abs=0.5)
