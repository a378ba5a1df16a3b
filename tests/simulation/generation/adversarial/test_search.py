import numpy as np
import pytest
from adversarial_cases import RaisingPlanner, ignoring_planner, straight_scenario, with_car

from planning.idm import IdmPlanner
from planning.stand_still import StandStillPlanner
from simulation.generation.adversarial import search as search_module
from simulation.generation.adversarial.drives import lacks_progress
from simulation.generation.adversarial.manoeuvres import attacks_of
from simulation.generation.adversarial.results import FailureKind, SearchSettings
from simulation.generation.adversarial.search import ScenarioSearch

FEW = SearchSettings(drives=4, generations=2, population=6)


def searched(scenario, planner, settings=FEW, seed=1):
    return ScenarioSearch(scenario, planner, settings, seed).run()


@pytest.fixture(scope="module")
def result():
    return searched(straight_scenario(), ignoring_planner())


def test_a_planner_that_ignores_agents_fails_with_a_way_out(result):
    solved = [found for found in result.found if found.certificate is not None]
    assert solved
    assert 1 <= result.drives <= 4
    assert result.screened > 0
    for found in solved:
        assert found.is_plausible
        assert found.certificate.slack_s >= 0.8 - 1e-9
        assert found.scenario.about_track == found.attack.agent.track_id


def test_equal_seeds_give_equal_failures(result):
    again = searched(straight_scenario(), ignoring_planner())
    assert [found.change for found in again.found] == [found.change for found in result.found]
    for one, other in zip(again.found, result.found, strict=True):
        np.testing.assert_array_equal(one.scenario.agents.poses, other.scenario.agents.poses)


def test_without_neighbours_and_agents_there_is_nothing_to_change():
    settings = SearchSettings(drives=4, neighbours=False)
    assert searched(straight_scenario(), IdmPlanner(), settings).skipped == "no agent comes near the ego"


@pytest.mark.parametrize(
    ("planner", "reason"),
    [
        (StandStillPlanner(), "the planner fails in the unchanged scenario"),
        (RaisingPlanner(), "the planner raised in the unchanged scenario"),
    ],
)
def test_scenarios_that_the_planner_does_not_pass_are_skipped(planner, reason):
    found = searched(straight_scenario(), planner)
    assert found.skipped == reason
    assert found.found == ()


class _RaisesLate:
    """Drives without agents in the scenario, and raises with any."""

    name = "raises_late"

    def __init__(self):
        self._inner = ignoring_planner()

    def reset(self, map, route):  # noqa: A002
        self._inner.reset(map, route)

    def plan(self, observation):
        if observation.agents.num_agents:
            raise RuntimeError("no plan today")
        return self._inner.plan(observation)


def test_a_planner_that_raises_during_the_search_has_errors_and_no_failures():
    found = searched(straight_scenario(), _RaisesLate())
    assert found.found == ()
    assert found.errors[0] == "RuntimeError: no plan today"


class _AlwaysRare:
    """Finds every agent as rare as given."""

    def __init__(self, percentile):
        self._percentile = percentile

    def percentile(self, scenario, track_id):
        return self._percentile


@pytest.mark.parametrize(("percentile", "are_driven"), [(99.4, True), (99.5, False)])
def test_changes_that_are_too_rare_are_refused_before_a_drive(percentile, are_driven, monkeypatch):
    # Only their manoeuvres make the neighbours rare.
    monkeypatch.setattr(ScenarioSearch, "_is_usable", lambda self, agent: self._screen.is_free(agent.course))
    found = ScenarioSearch(straight_scenario(), ignoring_planner(), FEW, 1, rarity=_AlwaysRare(percentile)).run()
    assert (found.drives > 0) == are_driven
    assert (found.too_rare > 0) != are_driven
    assert {one.rarity_percentile for one in found.found} == ({percentile} if are_driven else set())


def test_neighbours_that_are_too_rare_are_not_added():
    search = ScenarioSearch(straight_scenario(), ignoring_planner(), FEW, 1, rarity=_AlwaysRare(100.0))
    found = search.run()
    assert found.drives == 0
    # Of the agents that get their place by a change, all changes are refused.
    assert found.too_rare > 0


def test_a_planner_that_waits_for_good_behind_a_standing_agent_lacks_progress(monkeypatch):
    monkeypatch.setattr(search_module, "attacks_of", lambda agent: [one for one in attacks_of(agent) if one.blocks])
    settings = SearchSettings(drives=4, generations=3)
    (found, *_) = searched(straight_scenario(), IdmPlanner(), settings).found
    assert found.failure.kind == FailureKind.NO_PROGRESS
    assert found.attack.manoeuvre == "stand"
    certificate = found.certificate
    assert certificate.slack_s >= 0.8 - 1e-9
    # The planner stops; the way out passes beside the agent.
    assert found.log.ego.speed_mps[0, -1] < 0.1
    assert lacks_progress(found.log, certificate.scenario) is not None
    assert certificate.scenario.ego.speed_mps[0, certificate.scenario.frames].min() > 1.0


def test_random_changes_are_driven_without_a_screen():
    settings = SearchSettings(drives=3, method="random", neighbours=False)
    found = searched(with_car(straight_scenario(), 25.0, 0.0, 10.0), ignoring_planner(), settings)
    assert found.screened == 0
    assert found.drives <= 3
