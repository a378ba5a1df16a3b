from pathlib import Path

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from simulation.traffic.learned.options import LearnedOptions, Policy, learned_options, mixed_options


def test_no_text_gives_the_defaults():
    assert learned_options("") == LearnedOptions()
    mixed = mixed_options("")
    assert (mixed.vehicle, mixed.pedestrian, mixed.about) == (Policy.LEARNED, Policy.LOG, Policy.LOG)


def test_options_are_read_from_text():
    options = learned_options("temperature=0.8,aggressiveness=-0.5,checkpoint=some/folder")
    assert (options.temperature, options.aggressiveness, options.checkpoint) == (0.8, -0.5, Path("some/folder"))
    mixed = mixed_options("vehicle=idm,pedestrian=learned,about=learned,track.a1=log,track.b2=learned")
    assert (mixed.vehicle, mixed.pedestrian, mixed.about) == (Policy.IDM, Policy.LEARNED, Policy.LEARNED)
    assert mixed.tracks == (("a1", Policy.LOG), ("b2", Policy.LEARNED))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("temperature", "have the form name=value"),
        ("temperature=warm", "temperature must be a number, got 'warm'"),
        ("temperature=-1", "temperature must be above 0"),
        ("aggressiveness=9", "aggressiveness must be from -3 to 3"),
        ("anger=1", "No option of this traffic named 'anger'"),
        ("vehicle=idm", "No option of this traffic named 'vehicle'"),
    ],
)
def test_wrong_options_of_learned_traffic_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        learned_options(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vehicle=idn", "No policy named 'idn'. Did you mean 'idm'?"),
        ("pedestrian=idm", "The policy idm is for vehicles"),
        ("tram=log", "No option of this traffic named 'tram'"),
    ],
)
def test_wrong_options_of_mixed_traffic_are_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        mixed_options(text)


def test_policies_go_by_kind_then_by_track(crossing):
    kinds, ids = crossing.agents.kinds, crossing.agents.track_ids
    found = mixed_options("vehicle=idm").policies(crossing)
    assert (found[kinds == AgentKind.VEHICLE] == Policy.IDM).all()
    assert (found[kinds == AgentKind.PEDESTRIAN] == Policy.LOG).all()
    walker = int(np.flatnonzero(kinds == AgentKind.PEDESTRIAN)[0])
    found = mixed_options(f"about=learned,track.{ids[walker]}=learned").policies(crossing)
    assert found[walker] == Policy.LEARNED


def test_static_objects_follow_the_log():
    construction = scene("construction")
    static = [AgentKind(int(kind)).is_static for kind in construction.agents.kinds]
    assert (LearnedOptions().policies(construction)[static] == Policy.LOG).all()


def test_tracks_that_do_not_fit_are_refused(crossing):
    with pytest.raises(ValueError, match="No track in scenario"):
        mixed_options("track.absent=log").policies(crossing)
    walker = int(np.flatnonzero(crossing.agents.kinds == AgentKind.PEDESTRIAN)[0])
    with pytest.raises(ValueError, match="is a pedestrian; the policy idm is for vehicles"):
        mixed_options(f"track.{crossing.agents.track_ids[walker]}=idm").policies(crossing)
