from dataclasses import replace

import numpy as np

from simulation.generation.learned.pieces import MIN_CUT_M, PROFILE_M, cut_short, lane_pieces, profile_of
from simulation.generation.learned.scales import MAX_PIECE_M
from simulation.geometry.lane_anchors import lane_anchors, lane_lengths


def test_pieces_cover_each_lane(street):
    pieces = lane_pieces(street)
    totals = np.bincount(pieces.lane_rows, weights=pieces.length_m)
    np.testing.assert_allclose(totals, lane_lengths(street))
    assert pieces.length_m.max() <= MAX_PIECE_M


def test_lanes_are_cut_into_shorter_pieces(street):
    other = replace(street)
    cut_short(other, np.random.default_rng(0))
    pieces = lane_pieces(other)
    assert len(pieces) > len(lane_pieces(street))
    totals = np.bincount(pieces.lane_rows, weights=pieces.length_m)
    np.testing.assert_allclose(totals, lane_lengths(street))
    assert np.ptp(pieces.length_m[pieces.length_m > MIN_CUT_M / 2]) > MIN_CUT_M


def test_a_piece_ends_where_its_successors_begin(street):
    pieces = lane_pieces(street)
    for piece in range(len(pieces)):
        for after in pieces.successors[piece].tolist():
            gap_m = np.hypot(*(pieces.poses[after, 0, :2] - pieces.poses[piece, -1, :2]))
            assert gap_m < 1.0
            assert piece in pieces.predecessors[after].tolist()


def test_a_pose_belongs_to_the_piece_at_its_distance(street, lane_row, boxes):
    piece, along = lane_pieces(street).of(lane_anchors(street, boxes.poses[:1]))
    pieces = lane_pieces(street)
    assert pieces.lane_rows[piece[0]] == lane_row
    assert abs(pieces.begin_m[piece[0]] + along[0] - 60.0) < 0.05


def test_neighbours_are_each_other_s_neighbours(street):
    pieces = lane_pieces(street)
    found = np.flatnonzero(pieces.left >= 0)
    back = pieces.right[pieces.left[found]]
    assert (pieces.lane_rows[back] == pieces.lane_rows[found]).all()


def test_the_profile_is_drivable_at_the_centerline(street):
    profile = profile_of(street, np.arange(4))
    assert (profile[:, len(PROFILE_M) // 2] == 1.0).all()
