"""The states that are labelled: where the log was, beside and around it, and where a planner really went.

Off-path states are what makes a student recover: the teacher labels them from where the ego is then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from distill.contract import Future, logged_future
from driving.agents import AgentKind, AgentTracks, TrafficLights
from driving.ego import EgoMotion, EgoState
from driving.geometry import arc_lengths, box_corners, poses_in_frame_of, poses_out_of_frame_of, wrap_angle
from driving.map import MapGraph
from driving.observation import Observation
from driving.planner import Planner
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from planning.neural.vocabulary import NUM_POSES
from simulation.geometry.boxes import boxes_overlapping
from simulation.rollout import Rollout, run_lockstep

LOGGED, SHIFTED, ON_POLICY = "logged", "shifted", "reached"
"""Kinds of states, as label files name them: on the log, moved away from it, visited by a planner in closed loop."""
VARIATIONS = ("unlit", "empty", "short_sight", "followed", "unlimited")
"""Of scenarios: without traffic lights, without agents, agents near the ego only, a vehicle behind the ego, without
speed limits."""
MAX_EXAMPLE_GAP_M = 4.0
"""A planner that is farther from where the log is at that time has no example to imitate."""
FOLLOWER_GAP_S, FOLLOWER_GAP_M = (0.6, 1.8), (6.0, 9.0)
"""Bounds of the time gap of a follower, and of the distance between the box centres when both stand."""


@dataclass(frozen=True, kw_only=True)
class StateSettings:
    """Which states of a scenario are labelled."""

    every_steps: int = 15
    """Steps between labelled states."""
    shifted: int = 2
    """Off-path states beside each one on the log; 0 leaves augmentation out."""
    lateral_m: float = 0.7
    """Standard deviations of the shift: sideways, along, turned, and of steering and acceleration."""
    along_m: float = 1.0
    heading_rad: float = 0.1
    steering_rad: float = 0.04
    accel_mps2: float = 0.8
    speed_factors: tuple[float, float] = (0.4, 1.3)
    """Slower and faster."""
    unlit_share: float = 0.0
    """Of the scenarios that are labelled and driven without states of traffic lights, as many recordings are."""
    empty_share: float = 0.0
    """Of the scenarios that are labelled and driven without agents and static objects."""
    short_sight_share: float = 0.0
    """Of the scenarios in which agents are seen only near the ego, as in recordings of crowded streets; the teacher
    scores with them all."""
    sight_m: tuple[float, float] = (12.0, 45.0)
    """Shortest and longest distance to which agents are then seen; one is drawn for each scenario."""
    followed_share: float = 0.0
    """Of the scenarios in which a vehicle follows the logged ego, as in many recordings, where there is room."""
    unlimited_share: float = 0.0
    """Of the scenarios whose map has no speed limits, as some maps."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (f"{variation}_share" for variation in VARIATIONS):
            if not 0.0 <= (share := getattr(self, name)) <= 1.0:
                raise ValueError(f"`{name}` is a share from 0 to 1, got {share:g}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """One situation to label."""

    scenario_id: str
    kind: str
    observation: Observation
    future: Future


def scenario_states(scenario: Scenario, settings: StateSettings) -> Iterator[State]:
    """States on the log and shifted ones beside them; shifted states that overlap an agent are left out.

    Which ones depends on the scenario and the seed only, not on what was labelled before.
    """
    rng = np.random.default_rng([settings.seed, int(scenario.scenario_id, 16) % 2**32])
    variation = varied(scenario, settings)
    scenario = variation.seen
    for iteration in labelled_iterations(scenario, settings.every_steps):
        observed = with_ego(scenario.observation_at(iteration), driven_state(scenario, iteration))
        future = variation.as_known(logged_future(variation.known, iteration))
        states = [(LOGGED, observed)]
        states += [
            (SHIFTED, with_ego(observed, shifted_state(observed.ego_now, settings, rng)))
            for _ in range(settings.shifted)
        ]
        for kind, observation in states:
            if not overlaps_agent(observation):
                yield State(scenario_id=scenario.scenario_id, kind=kind, observation=observation, future=future)


def on_policy_states(scenarios: Sequence[Scenario], planner: Planner, settings: StateSettings) -> list[list[State]]:
    """States that a planner visits in closed loop with recorded traffic (DAgger): one list per scenario.

    The scenarios are driven in lockstep. A drive ends when the ego overlaps an agent: later states teach nothing.

    Raises:
        Exception: The first error of the planner, if any.
    """
    variations = [varied(each, settings) for each in scenarios]
    rollouts = [Rollout(each.seen, planner_name=planner.name) for each in variations]
    variation_of = dict(zip(rollouts, variations, strict=True))
    states: dict[Rollout, list[State]] = {rollout: [] for rollout in rollouts}

    def record(rollout: Rollout) -> bool:
        scenario, observation = rollout.scenario, rollout.observation()
        if overlaps_agent(observation):
            return False
        if observation.iteration in labelled_iterations(scenario, settings.every_steps):
            variation = variation_of[rollout]
            future = variation.as_known(near_future(variation.known, observation))
            states[rollout].append(
                State(scenario_id=scenario.scenario_id, kind=ON_POLICY, observation=observation, future=future)
            )
        return True

    for error in run_lockstep(rollouts, planner, before_step=record):
        if error is not None:
            raise error
    return list(states.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Variation:
    """A scenario as it is observed, and as the teacher scores it."""

    seen: Scenario
    known: Scenario
    is_example: bool
    """Whether the log is an example to imitate: not where what it reacts to cannot be seen."""

    def as_known(self, future: Future) -> Future:
        """A future of `known`, without an imitation target where the log is no example."""
        return future if self.is_example else replace(future, ego_poses=None)


class DrawnVariations(NamedTuple):
    """Variations that are drawn for a scenario, and what two of them depend on."""

    names: frozenset[str]
    """Of `VARIATIONS`."""
    sight_m: float
    """Distance to which agents are seen with short sight."""
    follower: np.random.Generator
    """Draws the vehicle that follows."""


def drawn_variations(scenario_id: str, settings: StateSettings) -> DrawnVariations:
    """Variations of a scenario, as its id and the seed say."""
    number = int(scenario_id, 16) % 2**32
    # Generators of their own leave the draws of the shifted states and of earlier variations as they are.
    rng, follower, unlimited = (np.random.default_rng([settings.seed, number, part]) for part in (1, 2, 3))
    shares = [getattr(settings, f"{name}_share") for name in VARIATIONS]
    is_drawn = np.array([*rng.random(len(VARIATIONS) - 2), follower.random(), unlimited.random()]) < shares
    names = frozenset(name for name, drawn in zip(VARIATIONS, is_drawn, strict=True) if drawn)
    return DrawnVariations(names=names, sight_m=rng.uniform(*settings.sight_m), follower=follower)


def varied(scenario: Scenario, settings: StateSettings) -> Variation:
    """The scenario without lights, agents or speed limits, with a follower or short sight, as id and seed say."""
    drawn = drawn_variations(scenario.scenario_id, settings)
    known = scenario
    if "unlit" in drawn.names:
        known = replace(known, traffic_lights=TrafficLights.none(known.traffic_lights.num_steps))
    if "empty" in drawn.names:
        known = replace(known, agents=AgentTracks.none(known.agents.num_steps))
    if "unlimited" in drawn.names:
        known = replace(known, map=without_limits(known.map))
    if "followed" in drawn.names:
        known = with_follower(known, drawn.follower)
    seen = with_sight(known, drawn.sight_m) if "short_sight" in drawn.names else known
    return Variation(seen=seen, known=known, is_example=drawn.names <= {"followed"})


@lru_cache(maxsize=8)
def without_limits(map_graph: MapGraph) -> MapGraph:
    """The map without speed limits: planners assume one."""
    lanes = map_graph.lanes
    unknown = np.full(lanes.speed_limit_mps.shape, np.nan)
    # Without the source, which would be read again with its limits.
    return replace(map_graph, lanes=replace(lanes, speed_limit_mps=unknown), source=None)


def with_sight(scenario: Scenario, sight_m: float) -> Scenario:
    """The scenario with agents within a distance of the logged ego only."""
    agents = scenario.agents
    away_m = np.hypot(*np.moveaxis(agents.poses[..., :2] - scenario.ego.rear_axle_poses[0, :, :2], -1, 0))
    seen = agents.valid & (away_m <= sight_m)
    poses, velocities, sizes = (
        np.where(seen[..., np.newaxis], values, np.nan)
        for values in (agents.poses, agents.velocities_mps, agents.sizes)
    )
    return replace(scenario, agents=replace(agents, valid=seen, poses=poses, velocities_mps=velocities, sizes=sizes))


def with_follower(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """The scenario with a vehicle that follows the logged ego; unchanged if that vehicle would overlap an agent.

    It repeats the motion of the ego one time gap later and one standing gap behind, and drives straight to where the
    log begins. Gaps and box size are drawn from the generator.

    Source:
        Newell, "A simplified car-following theory", 2002.
    """
    gap_s, gap_m = rng.uniform(*FOLLOWER_GAP_S), rng.uniform(*FOLLOWER_GAP_M)
    size = np.array([rng.uniform(4.0, 5.2), rng.uniform(1.75, 2.1)])
    ego = scenario.ego.center_poses()[0]
    way_m = arc_lengths(ego[:, :2])
    time_s = (scenario.time_us - scenario.time_us[0]) / 1e6
    behind_m = (
        np.interp(time_s - gap_s, time_s, way_m)
        + np.minimum(time_s - gap_s, 0.0) * scenario.ego.state(0).speed_mps
        - gap_m
    )
    headings = np.unwrap(ego[:, 2])
    poses = np.stack([np.interp(behind_m, way_m, values) for values in (ego[:, 0], ego[:, 1], headings)], axis=-1)
    poses[:, :2] += np.minimum(behind_m, 0.0)[:, np.newaxis] * [np.cos(headings[0]), np.sin(headings[0])]
    agents = scenario.agents
    for step, pose in enumerate(poses):
        others = agents.valid[:, step]
        corners = box_corners(pose, size)
        if boxes_overlapping(corners, agents.poses[others, step], agents.sizes[others, step]).any():
            return scenario
    follower = AgentTracks(
        track_ids=("follower",),
        kinds=np.array([AgentKind.VEHICLE], dtype=np.int8),
        poses=poses[np.newaxis],
        velocities_mps=np.gradient(poses[:, :2], time_s, axis=0)[np.newaxis],
        sizes=np.broadcast_to(size, (1, len(poses), 2)).copy(),
        valid=np.ones((1, len(poses)), dtype=bool),
    )
    return replace(scenario, agents=agents.joined(follower))


def near_future(scenario: Scenario, observation: Observation) -> Future:
    """The logged future of an on-policy state, without an imitation target where the log is far away."""
    future = logged_future(scenario, observation.iteration)
    gap_m = np.hypot(*(scenario.logged_ego_pose(observation.iteration) - observation.ego_now.rear_axle_pose)[:2])
    return future if gap_m <= MAX_EXAMPLE_GAP_M else replace(future, ego_poses=None)


def labelled_iterations(scenario: Scenario, every_steps: int) -> range:
    """Iterations with the 4 s of future that a label needs."""
    last = len(scenario.time_us) - NUM_POSES - scenario.first_frame
    return range(0, min(scenario.num_frames - 1, last + 1), every_steps)


def driven_state(scenario: Scenario, iteration: int) -> EgoState:
    """The logged ego as a simulated one: with the steering that its turning needs, and without lateral motion.

    Logs hold neither steering nor yaw rate, and their noise in lateral speed never occurs in a simulation.
    """
    now = scenario.first_frame + iteration
    ego = scenario.ego.state(now)
    first, last = max(0, now - 2), min(scenario.ego.num_steps - 1, now + 2)
    turned = float(wrap_angle(scenario.ego.rear_axle_poses[0, last, 2] - scenario.ego.rear_axle_poses[0, first, 2]))
    yaw_rate = turned / ((last - first) * scenario.step_s) if last > first else 0.0
    speed_mps = float(ego.velocity_mps[0])
    steering = float(np.arctan(PACIFICA.wheelbase_m * yaw_rate / speed_mps)) if speed_mps > 1.0 else 0.0
    return replace(
        ego,
        velocity_mps=np.array([speed_mps, 0.0]),
        acceleration_mps2=np.array([float(ego.acceleration_mps2[0]), 0.0]),
        steering_rad=float(np.clip(steering, -0.6, 0.6)),
        yaw_rate_radps=yaw_rate if speed_mps > 1.0 else 0.0,
    )


def shifted_state(ego: EgoState, settings: StateSettings, rng: np.random.Generator) -> EgoState:
    """The ego somewhat beside, turned, slower or faster; a standing one now and then rolls."""
    along_m, aside_m, turn = rng.normal(0.0, [settings.along_m, settings.lateral_m, settings.heading_rad])
    # A car that stands does not stand askew.
    share = min(1.0, 0.2 + ego.speed_mps / 5.0)
    pose = poses_out_of_frame_of(np.array([along_m, share * aside_m, share * turn]), ego.rear_axle_pose)
    speed_mps = float(ego.velocity_mps[0]) * rng.uniform(*settings.speed_factors) + max(0.0, rng.normal(-0.5, 1.0))
    steering = float(np.clip(ego.steering_rad + rng.normal(0.0, settings.steering_rad), -0.6, 0.6))
    return replace(
        ego,
        rear_axle_pose=pose,
        velocity_mps=np.array([speed_mps, 0.0]),
        acceleration_mps2=np.array([float(ego.acceleration_mps2[0]) + rng.normal(0.0, settings.accel_mps2), 0.0]),
        steering_rad=steering,
        yaw_rate_radps=speed_mps * float(np.tan(steering)) / PACIFICA.wheelbase_m,
        yaw_acceleration_radps2=0.0,
    )


def with_ego(observation: Observation, ego: EgoState) -> Observation:
    """The observation of an ego in another state; its past is moved along with it."""
    past = observation.ego
    relative = poses_in_frame_of(past.rear_axle_poses, past.rear_axle_poses[0, -1])
    velocities, accelerations = past.velocities_mps.copy(), past.accelerations_mps2.copy()
    steering, rate, change = (
        values.copy() for values in (past.steering_rad, past.yaw_rate_radps, past.yaw_acceleration_radps2)
    )
    velocities[0, -1], accelerations[0, -1] = ego.velocity_mps, ego.acceleration_mps2
    steering[0, -1], rate[0, -1], change[0, -1] = ego.steering_rad, ego.yaw_rate_radps, ego.yaw_acceleration_radps2
    moved = EgoMotion(
        time_us=past.time_us,
        rear_axle_poses=poses_out_of_frame_of(relative, ego.rear_axle_pose),
        velocities_mps=velocities,
        accelerations_mps2=accelerations,
        steering_rad=steering,
        yaw_rate_radps=rate,
        yaw_acceleration_radps2=change,
    )
    return replace(observation, ego=moved)


def overlaps_agent(observation: Observation) -> bool:
    """Whether the ego box overlaps an agent or a static object now."""
    corners = box_corners(observation.ego_now.center_pose(), np.array([PACIFICA.length_m, PACIFICA.width_m]))
    agents = observation.agents
    overlaps = boxes_overlapping(corners, agents.poses[:, -1].copy(), agents.sizes[:, -1].copy())
    return bool((overlaps & agents.valid[:, -1]).any())
