import numpy as np

from driving.agents import LightStatus


def test_lights_go_from_green_over_yellow_to_red(observed):
    before, after = observed.lights[:, :-1], observed.lights[:, 1:]
    changes = {
        pair for pair in zip(before.ravel().tolist(), after.ravel().tolist(), strict=True) if pair[0] != pair[1]
    }
    green, yellow, red = LightStatus.GREEN, LightStatus.YELLOW, LightStatus.RED
    assert changes == {(green, yellow), (yellow, red), (red, green)}


def test_straight_ways_that_cross_are_never_green_together(observed):
    net = observed.net
    for row in np.flatnonzero(net.lanes["light"] >= 0):
        for k in range(net.lanes["conflict_begin"][row], net.lanes["conflict_end"][row]):
            other = net.conflict_other[k]
            if net.lanes["rank"][row] == net.lanes["rank"][other] == 2 and not net.conflict_along[k]:
                both = observed.lights[net.lanes["light"][[row, other]]] == LightStatus.GREEN
                assert not both.all(axis=0).any()
