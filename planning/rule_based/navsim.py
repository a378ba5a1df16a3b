"""NAVSIM's PDMS and EPDMS of a plan, at one iteration of a recorded scenario.

plan = planner.plan(scenario.observation_at(40))
print(pdms(scenario, 40, plan).score, epdms(scenario, 40, plan).score)
"""

import numpy as np

from driving.scenario import Scenario
from driving.trajectory import Trajectory
from planning.rule_based.planner import PdmClosedPlanner
from simulation.metrics.pdm.agents import ScoredAgents
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.navsim import (
    EXTENDED_COMFORT_WEIGHT,
    NUM_STEPS,
    NavsimScore,
    history_comfort,
    human_plan,
    past_states,
    red_connector_rows,
    replayed_agents,
    simulate_plan,
    simulate_poses,
    two_frame_comfort,
)
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, PdmRules
from simulation.metrics.pdm.scorer import PdmScene, PdmScores, score_motions
from simulation.metrics.rules import PDM_TTC_STEPS
from simulation.metrics.weighting import weighted_sum

_MULTIPLIED = {
    "no_at_fault_collisions": "no_collision",
    "drivable_area_compliance": "drivable_area",
    "driving_direction_compliance": "driving_direction",
    "traffic_light_compliance": "traffic_lights",
}
_WEIGHTED = {
    "ego_progress": "progress",
    "time_to_collision_within_bound": "time_to_collision",
    "lane_keeping": "lane_keeping",
    "history_comfort": "comfort",
}
_WEIGHTS = {
    "ego_progress": 5.0,
    "time_to_collision_within_bound": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
    "two_frame_extended_comfort": EXTENDED_COMFORT_WEIGHT,
}


class _Situation:
    """A scenario at one iteration, with the motion of the reference planner."""

    def __init__(self, scenario: Scenario, iteration: int, rules: PdmRules) -> None:
        self._scenario, self._iteration, self._rules = scenario, iteration, rules
        observation = scenario.observation_at(iteration)
        reference = PdmClosedPlanner(rules)
        reference.reset(scenario.map, scenario.route)
        self.ego = observation.ego_now
        self.reference = simulate_poses(self.ego, reference.plan(observation))
        self._centerline = reference.centerline
        self._areas = scoring_areas(scenario.map)
        self._kinds = self._areas.kinds_near(
            self.ego.center_pose()[:2], self._areas.on_route(reference.route_rows), rules
        )

    def scores(self, states: np.ndarray, agents: ScoredAgents, comfort: np.ndarray | None) -> PdmScores:
        """Score motions (M, 41, 10)."""
        blocks = dict.fromkeys(self._scenario.route.roadblock_ids)
        # Lights along the route of the log, without the corrections of the reference planner.
        route_rows = [row for block in blocks for row in self._scenario.map.lane_rows_of_roadblock(block)]
        scene = PdmScene(
            areas=self._areas,
            kinds=self._kinds,
            agents=agents,
            centerline=self._centerline,
            red_rows=red_connector_rows(self._scenario, self._iteration, route_rows),
        )
        return score_motions(states, scene, self._rules, comfort)


def pdms(scenario: Scenario, iteration: int, plan: Trajectory) -> NavsimScore:
    """NAVSIM v1's PDM score of a plan.

    Raises:
        ValueError: When the plan is shorter than 4 s, or the log ends within 5 s.
    """
    situation = _Situation(scenario, iteration, PDMS_RULES)
    states = np.stack([situation.reference, simulate_plan(situation.ego, plan)])
    agents = replayed_agents(scenario, iteration, NUM_STEPS + PDM_TTC_STEPS[-1] + 1)
    scores = situation.scores(states, agents, None)
    parts = {
        "no_at_fault_collisions": float(scores.no_collision[1]),
        "drivable_area_compliance": float(scores.drivable_area[1]),
        "ego_progress": float(scores.progress[1]),
        "time_to_collision_within_bound": float(scores.time_to_collision[1]),
        "comfort": float(scores.comfort[1]),
        "driving_direction_compliance": float(scores.driving_direction[1]),
    }
    return NavsimScore(version=PDMS_RULES.version, score=float(scores.score[1]), parts=parts, states=states[1])


def epdms(
    scenario: Scenario,
    iteration: int,
    plan: Trajectory,
    *,
    previous: NavsimScore | None = None,
    gap_s: float = 0.5,
    human_penalty_filter: bool = True,
) -> NavsimScore:
    """NAVSIM v2's extended PDM score of a plan, first stage only.

    Args:
        scenario: The recording.
        iteration: When the plan was made.
        plan: At least 4 s long.
        previous: Score of the plan made `gap_s` earlier; without one, the mean omits the two-frame comfort.
        gap_s: Time between the two plans.
        human_penalty_filter: Set a sub-score to 1 if the human has 0 in it.

    Raises:
        ValueError: When the plan or the log is shorter than 4 s.
    """
    situation = _Situation(scenario, iteration, EPDMS_RULES)
    states = np.stack([situation.reference, simulate_plan(situation.ego, plan)])
    agents = replayed_agents(scenario, iteration, NUM_STEPS, situation.ego)
    comfort = history_comfort(states, past_states(scenario, iteration))
    scores = situation.scores(states, agents, comfort)
    parts = {name: float(getattr(scores, field)[1]) for name, field in {**_MULTIPLIED, **_WEIGHTED}.items()}
    if human_penalty_filter:
        human = simulate_poses(situation.ego, human_plan(scenario, iteration))[np.newaxis]
        alone = situation.scores(human, agents, np.ones(1))
        for name, field in {**_MULTIPLIED, **_WEIGHTED}.items():
            if getattr(alone, field)[0] == 0.0:
                parts[name] = 1.0
    if previous is not None:
        parts["two_frame_extended_comfort"] = two_frame_comfort(states[1], previous.states, gap_s)
    allowed = float(np.prod([parts[name] for name in _MULTIPLIED]))
    total, weight = weighted_sum(parts, _WEIGHTS)
    return NavsimScore(version=EPDMS_RULES.version, score=allowed * (total / weight), parts=parts, states=states[1])
