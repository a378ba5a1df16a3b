from dataclasses import replace

import numpy as np
import pytest
from adversarial_cases import ignoring_planner, screen_of, straight_scenario

from driving.agents import AgentKind
from driving.scenario import Scenario
from simulation.generation.adversarial.causal import Approach
from simulation.generation.adversarial.changes import AgentChange, changed_motion
from simulation.generation.adversarial.drawn_neighbours import drawn_neighbours
from simulation.generation.adversarial.limits import excess
from simulation.generation.adversarial.results import SearchSettings
from simulation.generation.adversarial.scene_network import DrawsAgents
from simulation.generation.adversarial.search import ScenarioSearch
from simulation.generation.learned.scene import Boxes

KINDS = [AgentKind.VEHICLE, AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.VEHICLE]


def boxes_of(scenario: Scenario) -> Boxes:
    """A car 35 m ahead, a parked car and a pedestrian beside the road, and a car that no path leads to the ego."""
    x, y, heading = scenario.ego.rear_axle_poses[0, scenario.first_frame]
    ahead, left = np.array([35.0, 45.0, 70.0, 60.0]), np.array([0.0, -3.0, -6.0, 90.0])
    cos, sin = np.cos(heading), np.sin(heading)
    poses = np.stack([x + ahead * cos - left * sin, y + ahead * sin + left * cos, np.full(4, heading)], axis=-1)
    sizes = np.array([[4.6, 1.9], [4.6, 1.9], [0.5, 0.5], [4.6, 1.9]])
    return Boxes(poses, sizes, np.array([10.0, 0.0, 1.2, 8.0]), np.array(KINDS, dtype=np.int8))


@pytest.fixture(scope="module")
def screen():
    return screen_of(straight_scenario())


def drawn(screen, most=3):
    found = drawn_neighbours(
        screen.scenario, screen.centers, boxes_of(screen.scenario), lambda one: screen.is_free(one.course), most
    )
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def neighbours(screen):
    return drawn(screen)


def test_agents_that_meet_the_drive_are_neighbours(neighbours):
    assert set(neighbours) == {"drawn_vehicle_0", "drawn_vehicle_1", "drawn_pedestrian_2"}
    assert neighbours["drawn_vehicle_0"].approach == Approach.SAME
    assert not neighbours["drawn_vehicle_1"].course.moves
    assert len({one.track_id for one in neighbours.values()}) == 3


def test_the_least_change_comes_first(screen, neighbours):
    (first,) = drawn(screen, most=1).values()
    assert first.cost == min(one.cost for one in neighbours.values())


def test_they_start_where_they_were_drawn_and_stay_within_limits(screen, neighbours):
    scenario, poses = screen.scenario, boxes_of(screen.scenario).poses
    for number, one in enumerate(neighbours[name] for name in sorted(neighbours, key=lambda name: name[-1])):
        motion = changed_motion(one.course, AgentChange(manoeuvre="", track_id=""), scenario.frames)
        gap = motion.poses[scenario.first_frame, :2] - poses[number, :2]
        assert np.hypot(gap[0], gap[1]) < 0.3
        assert excess(motion.poses, motion.valid, one.course.kind) <= 1.0
        assert motion.valid[: scenario.first_frame].all()


def test_those_without_room_are_left_out(screen):
    found = drawn_neighbours(screen.scenario, screen.centers, boxes_of(screen.scenario), lambda one: False, 3)
    assert found == []


class _Drawn(DrawsAgents):
    """Draws the same agents for every seed."""

    def draw(self, scenario, rng):
        return boxes_of(scenario)


class _Undrawn(DrawsAgents):
    def draw(self, scenario, rng):
        raise ValueError("the map has left-hand traffic")


FEW = SearchSettings(drives=8, generations=4, population=6)


def test_a_search_uses_them_unless_their_number_is_zero(monkeypatch):
    # No neighbours of rules.
    monkeypatch.setattr("simulation.generation.adversarial.search.generated_neighbours", lambda *_: [])
    run = ScenarioSearch(straight_scenario(), ignoring_planner(), FEW, 1, scenes=_Drawn()).run()
    assert {one.attack.agent.name[:6] for one in run.found} == {"drawn_"}
    none = ScenarioSearch(
        straight_scenario(), ignoring_planner(), replace(FEW, drawn_neighbours=0), 1, scenes=_Drawn()
    ).run()
    assert none.skipped == "no agent comes near the ego"


def test_where_the_network_cannot_be_used_the_reason_is_noted_and_the_others_are_searched():
    found = ScenarioSearch(straight_scenario(), ignoring_planner(), FEW, 1, scenes=_Undrawn()).run()
    assert found.not_drawn == "the map has left-hand traffic"
    assert found.found
