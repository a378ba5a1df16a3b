"""Sizes of lane pieces, and divisors of the network's features: numbers that all of its modules share."""

MAX_PIECE_M = 20.0
"""Longest piece of a lane."""
NUM_POSES = 5
"""Poses along each piece, its begin and end included."""
DISTANCE_SCALE_M, SPEED_SCALE_MPS = 50.0, 15.0
"""Divisors that bring features near 1."""
