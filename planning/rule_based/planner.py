"""PDM-Closed: fifteen proposals a step, each simulated and scored, the best one driven."""

import numpy as np

from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoState
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.routing import require_ego_on_route
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from planning.rule_based.centerline import dijkstra_lanes, lane_under
from planning.rule_based.emergency import braking_plan, is_emergency
from planning.rule_based.obstacles import Forecaster
from planning.rule_based.paths import parallel_paths
from planning.rule_based.proposals import Obstacles, Rollout, extend_proposal, roll_out_proposals
from planning.rule_based.route_correction import corrected_route
from simulation.ego.dynamics import state_array
from simulation.ego.tracking import track_proposals
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.metrics.pdm.agents import AgentsNow, constant_velocity_agents
from simulation.metrics.pdm.areas import scoring_areas
from simulation.metrics.pdm.rules import EPDMS_RULES, TUPLAN_RULES, PdmRules
from simulation.metrics.pdm.scorer import Centerline, PdmScene, PdmScores, score_motions

PROPOSAL_STEPS = 40
PLAN_STEPS = 80
LATERAL_OFFSETS_M = (-1.0, 1.0)
"""Paths beside the centerline, left positive."""
SPEED_FRACTIONS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
"""Of the speed limit."""
SHOWN_STEPS = np.rint(LOGGED_TIME_S / STEP_S).astype(int)
"""Of the proposals, as candidates."""
FALLBACK_SPEED_MPS = 15.0
"""Where the lane has no limit."""

_SIZE = (PACIFICA.length_m, PACIFICA.width_m)
_OFFSET_M = PACIFICA.rear_axle_to_center_m


class PdmClosedPlanner:
    """PDM-Closed with the settings of the nuPlan challenge: 3 paths by 5 speeds, 4 s simulated, 8 s returned.

    Source:
        Dauner et al., Parting with Misconceptions about Learning-based Vehicle Motion Planning, CoRL 2023; tuPlan
        garage b51d5d0, `PDMClosedPlanner`.
    """

    name = "pdm_closed"

    def __init__(self, rules: PdmRules = TUPLAN_RULES) -> None:
        """Choose by the rules of one version of the score; NAVSIM's planners see 100 m far and never brake."""
        self._rules = rules
        self._brakes = rules is TUPLAN_RULES

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Take map and route; paths are laid at the first step, when the ego is known."""
        self._map, self._route = map, route
        self._is_started = False

    def plan(self, observation: Observation) -> Trajectory:
        """Propose, simulate, score; brake in an emergency, else roll the best proposal on to 8 s."""
        ego = observation.ego_now
        if not self._is_started:
            self._start(ego)
            self._is_started = True
        obstacles = self._forecaster.obstacles(observation)
        targets = SPEED_FRACTIONS * self._speed_limit_mps(ego)
        rollout = self._proposals(ego, obstacles, targets)
        states = track_proposals(state_array(ego), rollout.poses[:, : PROPOSAL_STEPS + 1])
        # NAVSIM v2 judges comfort together with the past, which its reference planner is not given.
        comfort = np.ones(len(states)) if self._rules is EPDMS_RULES else None
        self.scores = score_motions(states, self._scene(ego, obstacles), self._rules, comfort)
        best = int(np.argmax(self.scores.score))
        self._chosen: int | None = best
        if self._brakes and is_emergency(ego, self._collision_time_s(best)):
            self._chosen = None
            return braking_plan(ego, PLAN_STEPS, STEP_S)
        extend_proposal(
            self._paths, obstacles, rollout, targets, _SIZE, _OFFSET_M, best, PROPOSAL_STEPS + 1, PLAN_STEPS
        )
        return Trajectory(time_s=np.arange(PLAN_STEPS + 1) * STEP_S, poses=rollout.poses[best].copy())

    scores: PdmScores
    """Of the proposals of the last step: path by path, from slow to fast."""

    def candidates(self) -> list[Candidates | None]:
        """The proposals of the last step, as they were laid before their simulation; none chosen when it brakes."""
        poses = self._rollout.poses[:, SHOWN_STEPS]
        return [Candidates(time_s=LOGGED_TIME_S, poses=poses, scores=self.scores.score.copy(), chosen=self._chosen)]

    def _start(self, ego: EgoState) -> None:
        blocks = corrected_route(self._map, self._route.roadblock_ids, ego)
        self.route_rows = list(
            dict.fromkeys(row for block in dict.fromkeys(blocks) for row in self._map.lane_rows_of_roadblock(block))
        )
        self._on_route = set(self.route_rows)
        self._forecaster = Forecaster(self._map, flat_map(self._map).lanes, self.route_rows, self._rules.radius_m)
        start = lane_under(self._map, self.route_rows, self._on_route, ego, self._rules.radius_m)
        lanes = dijkstra_lanes(self._map, list(dict.fromkeys(blocks)), self._on_route, start)
        self._paths = parallel_paths(self._map, lanes, LATERAL_OFFSETS_M)
        self.centerline = Centerline(points=self._paths.points[0])
        require_ego_on_route(self._map, self._route, ego.rear_axle_pose, self.centerline.points)
        self._areas = scoring_areas(self._map)
        self._is_on_route = self._areas.on_route(self.route_rows)
        num_paths, num_proposals = len(self._paths.points), len(self._paths.points) * len(SPEED_FRACTIONS)
        self._rollout = Rollout(
            progress=np.zeros((num_proposals, PLAN_STEPS + 1)),
            speed=np.zeros((num_proposals, PLAN_STEPS + 1)),
            lead=np.zeros((num_proposals, PLAN_STEPS + 1, 3)),
            poses=np.zeros((num_proposals, PLAN_STEPS + 1, 3)),
            pieces=np.zeros((num_paths, 4)),
            standing=np.zeros((num_paths, 0)),
        )

    def _speed_limit_mps(self, ego: EgoState) -> float:
        lane = lane_under(self._map, self.route_rows, self._on_route, ego, self._rules.radius_m)
        limit_mps = self._map.speed_limit_mps(lane, FALLBACK_SPEED_MPS)
        assert limit_mps is not None  # a default was given
        return limit_mps

    def _proposals(self, ego: EgoState, obstacles: Obstacles, targets: np.ndarray) -> Rollout:
        num_obstacles = len(obstacles.poses) + len(obstacles.light_rows)
        rollout = self._rollout._replace(standing=np.full((len(self._paths.points), num_obstacles), np.nan))
        roll_out_proposals(
            self._paths,
            obstacles,
            rollout,
            ego.rear_axle_pose[0],
            ego.rear_axle_pose[1],
            ego.velocity_mps[0],
            targets,
            _SIZE,
            _OFFSET_M,
            PROPOSAL_STEPS,
            self._rules.plan_s,
        )
        return rollout

    def _scene(self, ego: EgoState, obstacles: Obstacles) -> PdmScene:
        now = AgentsNow(
            poses=obstacles.poses,
            sizes=obstacles.sizes,
            velocities=obstacles.velocities,
            speeds=obstacles.speeds,
            is_static=obstacles.is_static,
            is_ignored=obstacles.is_ignored,
        )
        agents = constant_velocity_agents(now, PROPOSAL_STEPS + 1)
        kinds = self._areas.kinds_near(ego.center_pose()[:2], self._is_on_route, self._rules)
        red_rows = np.tile(obstacles.light_rows, (PROPOSAL_STEPS + 1, 1))
        return PdmScene(areas=self._areas, kinds=kinds, agents=agents, centerline=self.centerline, red_rows=red_rows)

    def _collision_time_s(self, proposal: int) -> float | None:
        step = int(self.scores.collision_step[proposal])
        return None if step < 0 else step * STEP_S
