"""PDM-Closed: fifteen proposals per step, each simulated and scored; the best one is the plan."""

import numpy as np

from driving.candidates import LOGGED_STEPS, LOGGED_TIME_S, Candidates
from driving.ego import EgoState
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.routing import require_ego_on_route
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from planning.lane_sampling import FALLBACK_SPEED_MPS
from planning.rule_based.centerline import dijkstra_lanes, lane_under
from planning.rule_based.emergency import braking_plan, is_emergency
from planning.rule_based.obstacles import ObstacleObserver
from planning.rule_based.paths import parallel_paths
from planning.rule_based.proposals import ProposalRollout, ProposalScene, extend_proposal, roll_out_proposals
from planning.rule_based.route_correction import corrected_route
from simulation.ego.box import ego_box
from simulation.ego.dynamics import state_array
from simulation.ego.tracking import track_proposals
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.metrics.pdm.agents import constant_velocity_agents
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.rules import EPDMS_RULES, TUPLAN_RULES, PdmRules
from simulation.metrics.pdm.scorer import Centerline, PdmScene, PdmScores, score_motions

PROPOSAL_STEPS = 40
PLAN_STEPS = 80
LATERAL_OFFSETS_M = (-1.0, 1.0)
"""Paths beside the centerline, left positive."""
SPEED_FRACTIONS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
"""Target speeds as fractions of the speed limit."""


class PdmClosedPlanner:
    """PDM-Closed with the settings of the nuPlan challenge: 3 paths by 5 speeds, 4 s simulated, 8 s returned.

    Source:
        Dauner et al., Parting with Misconceptions about Learning-based Vehicle Motion Planning, CoRL 2023; tuPlan
        garage b51d5d0, `PDMClosedPlanner`.
    """

    name = "pdm_closed"

    def __init__(self, rules: PdmRules = TUPLAN_RULES) -> None:
        """Choose proposals by the rules of one version of the score.

        Args:
            rules: Those of NAVSIM observe agents within 100 m and have no emergency brake.
        """
        self._rules = rules
        self._has_brake = rules is TUPLAN_RULES

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Keep map and route; the paths are computed with the first plan, from the ego's pose."""
        self._map, self._route = map, route
        self._is_started = False

    def plan(self, observation: Observation) -> Trajectory:
        """Roll proposals out, simulate and score them; brake in an emergency, else extend the best one to 8 s.

        Raises:
            ValueError: At the first plan, when the map lacks the route or the ego is not on it.
        """
        ego = observation.ego_now
        if not self._is_started:
            self._start(ego)
            self._is_started = True
        agents, lights = self._observer.observe(observation)
        targets_mps = SPEED_FRACTIONS * self._speed_limit_mps(ego)
        scene = ProposalScene(paths=self._paths, agents=agents, lights=lights, targets_mps=targets_mps, box=ego_box())
        rollout = self._roll_out(ego, scene)
        states = track_proposals(state_array(ego), rollout.poses[:, : PROPOSAL_STEPS + 1])
        # NAVSIM v2 scores comfort together with the history, which its reference planner does not get.
        comfort = np.ones(len(states)) if self._rules is EPDMS_RULES else None
        self.scores = score_motions(states, self._pdm_scene(ego, scene), self._rules, comfort)
        best = int(np.argmax(self.scores.score))
        self._chosen: int | None = best
        if self._has_brake and is_emergency(ego, self._collision_time_s(best)):
            self._chosen = None
            return braking_plan(ego, PLAN_STEPS, STEP_S)
        extend_proposal(scene, rollout, best, PROPOSAL_STEPS + 1, PLAN_STEPS)
        return Trajectory(time_s=np.arange(PLAN_STEPS + 1) * STEP_S, poses=rollout.poses[best].copy())

    scores: PdmScores
    """Of the proposals of the last step: path by path, from slow to fast."""

    def candidates(self) -> list[Candidates | None]:
        """The proposals of the last step before tracking; none is chosen in an emergency."""
        poses = self._rollout.poses[:, LOGGED_STEPS]
        return [Candidates(time_s=LOGGED_TIME_S, poses=poses, scores=self.scores.score.copy(), chosen=self._chosen)]

    def _start(self, ego: EgoState) -> None:
        blocks = corrected_route(self._map, self._route.roadblock_ids, ego)
        self.route_rows = list(
            dict.fromkeys(row for block in dict.fromkeys(blocks) for row in self._map.lane_rows_of_roadblock(block))
        )
        self._on_route = set(self.route_rows)
        self._observer = ObstacleObserver(self._map, flat_map(self._map).lanes, self.route_rows, self._rules.radius_m)
        start = lane_under(self._map, self.route_rows, self._on_route, ego, self._rules.radius_m)
        lanes = dijkstra_lanes(self._map, list(dict.fromkeys(blocks)), self._on_route, start)
        self._paths = parallel_paths(self._map, lanes, LATERAL_OFFSETS_M)
        self.centerline = Centerline(points=self._paths.points[0])
        require_ego_on_route(self._map, self._route, ego.rear_axle_pose, self.centerline.points)
        self._areas = scoring_areas(self._map)
        self._is_on_route = self._areas.on_route(self.route_rows)
        num_paths, num_proposals = len(self._paths.points), len(self._paths.points) * len(SPEED_FRACTIONS)
        self._rollout = ProposalRollout(
            progress=np.zeros((num_proposals, PLAN_STEPS + 1)),
            speed=np.zeros((num_proposals, PLAN_STEPS + 1)),
            lead=np.zeros((num_proposals, PLAN_STEPS + 1, 3)),
            poses=np.zeros((num_proposals, PLAN_STEPS + 1, 3)),
            corridors=np.zeros((num_paths, 4)),
            standing=np.zeros((num_paths, 0)),
        )

    def _speed_limit_mps(self, ego: EgoState) -> float:
        lane = lane_under(self._map, self.route_rows, self._on_route, ego, self._rules.radius_m)
        limit_mps = self._map.speed_limit_mps(lane, FALLBACK_SPEED_MPS)
        assert limit_mps is not None  # a default was given
        return limit_mps

    def _roll_out(self, ego: EgoState, scene: ProposalScene) -> ProposalRollout:
        num_obstacles = len(scene.agents.poses) + len(scene.lights.rows)
        rollout = self._rollout._replace(standing=np.full((len(self._paths.points), num_obstacles), np.nan))
        start = ego.rear_axle_pose[0], ego.rear_axle_pose[1], ego.velocity_mps[0]
        roll_out_proposals(scene, rollout, start, PROPOSAL_STEPS, self._rules.plan_s)
        return rollout

    def _pdm_scene(self, ego: EgoState, scene: ProposalScene) -> PdmScene:
        return PdmScene(
            areas=self._areas,
            kinds=self._areas.kinds_near(ego.center_pose()[:2], self._is_on_route, self._rules),
            agents=constant_velocity_agents(scene.agents, PROPOSAL_STEPS + 1),
            centerline=self.centerline,
            red_rows=np.tile(scene.lights.rows, (PROPOSAL_STEPS + 1, 1)),
        )

    def _collision_time_s(self, proposal: int) -> float | None:
        step = int(self.scores.collision_step[proposal])
        return None if step < 0 else step * STEP_S
