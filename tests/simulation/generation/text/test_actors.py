import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scripted_track import standing_track
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.text.actors import BOXES, Box, kind_of, speed_range_mps, with_box
from simulation.generation.text.vocabulary import ActorKind


@pytest.fixture
def search():
    return SiteSearch(map=corner_map(0), rng=np.random.default_rng(3), speed_mps=10.0)


@pytest.mark.parametrize("kind", ActorKind)
def test_a_drawn_box_is_measured_as_its_kind(search, kind):
    for _ in range(20):
        box = Box(search, kind)
        assert kind_of(box.kind, box.size_m[0]) == kind
        assert box.half_m == box.size_m[0] / 2


def test_objects_without_a_word_have_no_kind():
    assert kind_of(AgentKind.GENERIC_OBJECT, 1.0) is None
    assert kind_of(AgentKind.CZONE_SIGN, 1.0) is None


def test_every_kind_has_a_box():
    assert set(BOXES) == set(ActorKind)


def test_usual_speeds_depend_on_the_kind():
    assert speed_range_mps(ActorKind.PEDESTRIAN, 10.0)[1] < 2.0
    assert speed_range_mps(ActorKind.CYCLIST, 10.0)[1] == 5.0
    assert speed_range_mps(ActorKind.BUS, 10.0) == (7.5, 9.5)


def test_a_track_gets_kind_and_size_of_a_box(search):
    box = Box(search, ActorKind.MOTORCYCLE)
    track = with_box(standing_track(0.0, 0.0), box)
    assert (track.kind, track.size_m) == (AgentKind.BICYCLE, box.size_m)
