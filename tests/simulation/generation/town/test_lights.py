from itertools import pairwise

import numpy as np
import pytest

from driving.agents import LightStatus
from driving.map import TurnKind
from driving.timing import STEP_S
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.lights import ALL_RED_S, YELLOW_S, light_statuses, phases_of
from simulation.generation.town.town_map import Movement

GREEN, YELLOW, RED = int(LightStatus.GREEN), int(LightStatus.YELLOW), int(LightStatus.RED)
STRAIGHT, LEFT, RIGHT = TurnKind.STRAIGHT, TurnKind.LEFT, TurnKind.RIGHT
CROSSING = {
    (arm, (arm + turn) % 4): kind for arm in range(4) for turn, kind in ((1, RIGHT), (2, STRAIGHT), (3, LEFT))
}
THREE_ARMS = {(0, 1): RIGHT, (0, 2): STRAIGHT, (1, 0): LEFT, (1, 2): RIGHT, (2, 0): STRAIGHT, (2, 1): LEFT}


def arms_of_phases(turns, *, is_split):
    moves = [
        Movement(lane_id=number, junction=0, from_arm=arms[0], to_arm=arms[1], turn=turn, rank=0)
        for number, (arms, turn) in enumerate(turns.items())
    ]
    phases = phases_of(moves, max(max(arms) for arms in turns) + 1, is_split=is_split)
    assert sorted(move.lane_id for phase in phases for move in phase) == list(range(len(moves)))
    return [{move.from_arm for move in phase} for phase in phases]


@pytest.fixture(scope="module")
def statuses(observed):
    """Lights of the town over ten minutes."""
    return light_statuses(np.random.default_rng(7), observed.town, 6000)


def junction_lights(observed):
    """Movements of each junction with lights, and their rows in the table of lights."""
    lit = [
        move
        for move in observed.town.movements
        if observed.town.plan.junctions[move.junction].kind == JunctionKind.SIGNAL
    ]
    for junction in sorted({move.junction for move in lit}):
        yield zip(*[(row, move) for row, move in enumerate(lit) if move.junction == junction], strict=True)


def runs(values):
    """Value and length of each interval of equal values, without the first and the last."""
    changes = np.flatnonzero(np.diff(values)) + 1
    return [(int(values[begin]), int(end - begin)) for begin, end in pairwise(changes)]


def test_split_phases_serve_one_arm_each():
    assert arms_of_phases(CROSSING, is_split=True) == [{0}, {1}, {2}, {3}]


def test_common_phases_serve_opposite_arms():
    assert arms_of_phases(CROSSING, is_split=False) == [{0, 2}, {1, 3}]
    assert arms_of_phases(THREE_ARMS, is_split=False) == [{0, 2}, {1}]


def test_only_junctions_with_signals_have_lights(observed, statuses):
    assert statuses.shape == (observed.town.map.lanes.has_traffic_lights.sum(), 6000)
    assert set(np.unique(statuses)) == {GREEN, YELLOW, RED}


def test_lights_go_from_green_over_yellow_to_red(observed):
    before, after = observed.lights[:, :-1], observed.lights[:, 1:]
    changes = {
        pair for pair in zip(before.ravel().tolist(), after.ravel().tolist(), strict=True) if pair[0] != pair[1]
    }
    assert changes == {(GREEN, YELLOW), (YELLOW, RED), (RED, GREEN)}


def test_phases_last_as_long_as_drawn(statuses):
    for row in statuses:
        lengths = runs(row)
        assert all(abs(steps * STEP_S - YELLOW_S) < 0.11 for status, steps in lengths if status == YELLOW)
        green_s = [steps * STEP_S for status, steps in lengths if status == GREEN]
        assert max(green_s) - min(green_s) < 0.11
        assert 7.8 < min(green_s) < 11.2 or 13.8 < min(green_s) < 20.2


def test_movements_are_green_together_only_from_one_arm_or_from_opposite_arms(observed, statuses):
    for rows, moves in junction_lights(observed):
        opposite = {(move.from_arm, move.to_arm) for move in moves if move.turn == STRAIGHT}
        is_green = (statuses[list(rows)] == GREEN).astype(int)
        together = is_green @ is_green.T > 0
        for a, b in np.argwhere(together):
            arms = moves[a].from_arm, moves[b].from_arm
            assert arms[0] == arms[1] or arms in opposite


def test_all_lights_of_a_junction_are_red_between_two_phases(observed, statuses):
    for rows, _ in junction_lights(observed):
        is_all_red = (statuses[list(rows)] == RED).all(axis=0)
        red_s = [steps * STEP_S for status, steps in runs(is_all_red) if status]
        assert np.abs(np.array(red_s) - ALL_RED_S).max() < 0.11


def test_connectors_that_cross_on_green_have_different_ranks_or_turn_left(observed):
    net, lanes = observed.net, observed.town.map.lanes
    for row in np.flatnonzero(net.lanes["light"] >= 0):
        for k in range(net.lanes["conflict_begin"][row], net.lanes["conflict_end"][row]):
            other = net.conflict_other[k]
            if net.lanes["rank"][row] != net.lanes["rank"][other] or net.conflict_along[k]:
                continue
            both = (observed.lights[net.lanes["light"][[row, other]]] == GREEN).all(axis=0)
            assert not both.any() or (lanes.turn_kinds[[row, other]] == LEFT).all()
