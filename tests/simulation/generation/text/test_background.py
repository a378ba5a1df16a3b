import numpy as np
import pytest

from driving.synthetic.scripted_track import standing_track
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.text.background import (
    added_background,
    background,
    boxes_of,
    meets_history,
    touch,
)
from simulation.generation.text.grammar import parse
from simulation.generation.text.place import find_place
from simulation.generation.text.stage import Staging
from simulation.generation.text.vocabulary import RoadType


def staging_of(sentence: str, road: RoadType, red_until_s: float | None = None) -> Staging:
    search = SiteSearch(map=corner_map(0), rng=np.random.default_rng(1), speed_mps=10.0)
    return Staging(place=find_place(search, parse(sentence), road), red_until_s=red_until_s)


def test_boxes_that_overlap_touch_and_distant_ones_do_not():
    near, far = standing_track(3.0, 0.0, size_m=(4.0, 2.0)), standing_track(20.0, 0.0, size_m=(4.0, 2.0))
    own = standing_track(0.0, 0.0, size_m=(4.0, 2.0))
    assert touch(own, [near])
    assert not touch(own, [far])
    assert not touch(own, [])
    assert boxes_of([near, far]).valid.all()


def test_denser_traffic_has_more_vehicles():
    counts = []
    for density in ("sparse", "normal", "dense"):
        sentence = f"{density} traffic, avenue"
        counts.append(len(background(staging_of(sentence, RoadType.MULTI_LANE), parse(sentence))))
    assert counts[0] < counts[1] < counts[2]


def test_the_background_keeps_out_of_the_lane_of_the_ego():
    staging = staging_of("dense traffic", RoadType.MULTI_LANE)
    for track in background(staging, parse("dense traffic")):
        assert abs(staging.place.chain.project(track.poses(np.array([0.0]))[0, :2])[1]) > 2.0


def test_vehicles_wait_at_the_red_light_and_start_when_it_turns_green():
    staging = staging_of("red light, dense traffic", RoadType.JUNCTION, red_until_s=10.0)
    tracks = background(staging, parse("red light, dense traffic"))
    speeds = np.array([track.speed.speed_mps(np.array([0.0, 20.0])) for track in tracks])
    waiting = speeds[:, 0] == 0.0
    assert waiting.any()
    assert (~waiting).any()
    assert (speeds[waiting, 1] > 3.0).all()


def test_vehicles_that_touch_an_agent_or_the_ego_are_left_out():
    staging = staging_of("a car ahead", RoadType.STRAIGHT)
    ego = staging.place.ego
    x, y, heading = staging.place.chain.beside(float(ego.at(0.0)[0]) + 1.4)
    on_ego = standing_track(float(x), float(y), float(heading), size_m=(4.0, 2.0))
    far = standing_track(float(x), float(y) + 60.0, size_m=(4.0, 2.0))
    assert meets_history(on_ego, ego)
    assert not meets_history(far, ego)
    assert added_background([on_ego, far, far], [], ego) == [far]


@pytest.mark.parametrize("sentence", ["the ego turns left, dense traffic, no signal"])
def test_a_left_turn_has_no_stream_of_oncoming_traffic(sentence):
    staging = staging_of(sentence, RoadType.JUNCTION)
    speeds = [track.speed.start_mps for track in background(staging, parse(sentence))]
    headings = [track.poses(np.array([0.0]))[0, 2] for track in background(staging, parse(sentence))]
    own = staging.place.chain.beside(staging.place.lane_m)[2]
    opposite = [abs(np.cos(one - own) + 1.0) < 0.2 for one in headings]
    assert not any(is_opposite and speed > 0.0 for is_opposite, speed in zip(opposite, speeds, strict=False))
