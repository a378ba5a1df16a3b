import pytest

from simulation.generation.adversarial.causal import Approach
from simulation.generation.adversarial.manoeuvres import MANOEUVRES
from simulation.generation.adversarial.modes import KINDS, Descriptor, elites, make_archive


def descriptor(**changes):
    values = {
        "failure": "collision",
        "kind": "vehicle",
        "manoeuvre": "brake",
        "approach": "same direction",
        "closing_mps": 4.0,
    }
    return Descriptor(**{**values, **changes})


def test_a_mode_does_not_depend_on_the_closing_speed():
    assert descriptor().mode == "collision: vehicle, brake, same direction"
    assert descriptor(closing_mps=9.0).mode == descriptor().mode
    assert descriptor(failure="off road").mode != descriptor().mode


def test_every_descriptor_has_a_cell_of_its_own():
    archive = make_archive()
    measures = [
        descriptor(kind=kind.name.lower(), manoeuvre=manoeuvre, approach=approach.value).measures
        for kind in KINDS
        for manoeuvre in MANOEUVRES
        for approach in Approach
    ]
    cells = {int(archive.index_of_single(one)) for one in measures}
    assert len(cells) == len(measures) == 3 * 8 * 4


@pytest.mark.parametrize(("closing_mps", "number"), [(-1.0, 0), (0.0, 0), (3.0, 1), (9.9, 2), (14.0, 3), (99.0, 4)])
def test_closing_speeds_are_binned(closing_mps, number):
    assert descriptor(closing_mps=closing_mps).measures[1] == number + 0.5


def test_the_best_failure_of_each_cell_is_an_elite():
    found = [descriptor(), descriptor(manoeuvre="run"), descriptor(), descriptor(closing_mps=20.0)]
    assert elites(found, [1.0, 1.0, 2.0, 0.5]) == [1, 2, 3]
    assert elites([], []) == []
