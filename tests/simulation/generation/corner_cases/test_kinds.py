"""Every kind of corner case by name, with its description and scenario type."""

import pytest
from staged_cases import staged

from driving.scenario_types import KNOWN_SCENARIO_TYPES
from simulation.generation.corner_cases.kinds import CORNER_KINDS, corner_kind


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_every_kind_stages_an_ego_on_the_road_and_agents(kind):
    case = staged(CORNER_KINDS[kind].stage, 0)
    assert case.ego.starts_on_road
    assert case.agents
    assert case.about in range(len(case.agents))
    assert 3.0 < case.drawn.get("event_s", 5.0) < 10.0
    assert case.goal_m <= case.ego.chain.length_m


@pytest.mark.parametrize("kind", CORNER_KINDS)
def test_every_kind_has_a_description_and_a_scenario_type_of_nuplan(kind):
    template = CORNER_KINDS[kind]
    assert template.description.endswith(".")
    assert template.scenario_type in KNOWN_SCENARIO_TYPES
    assert template.reactive


def test_an_unknown_kind_is_answered_by_the_nearest():
    with pytest.raises(KeyError, match=r"No kind of corner case named 'cutin'. Did you mean 'cut_in'"):
        corner_kind("cutin")
