"""Learned traffic of one rollout: decides at 2 Hz, writes poses at 10 Hz."""

import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from driving.agents import AgentKind
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.geometry.boxes import box_corners, boxes_overlapping
from simulation.geometry.compiling import announce_first_use
from simulation.traffic.idm_step import RADIUS_M
from simulation.traffic.learned.checkpoint import traffic_model
from simulation.traffic.learned.decisions import Deciding, Draws, Logits, Style, decide
from simulation.traffic.learned.features import Features, empty_features, fill_features
from simulation.traffic.learned.inference import infer
from simulation.traffic.learned.motion import PLANNED, has_left, plan_motions
from simulation.traffic.learned.observing import EgoTrack, LightTable, PlaceFinder, observe
from simulation.traffic.learned.options import LearnedOptions, Policy
from simulation.traffic.learned.paths import PathBuilder, Paths, arc_of, standing_off_lane
from simulation.traffic.learned.state import (
    DECISION_STEPS,
    FORECAST_POSES,
    Choice,
    State,
    forecasts,
    no_users,
)
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2
from simulation.traffic.tracks import TrackArrays, arrays_of_tracks

ENTRY_GAP_M = 1.0
"""An agent enters the scene when its box, longer by this much at both ends, is free."""

FIRST_USE_S = 40.0
"""Compilation of the kernels on two idle cores."""


class DecisionInput(NamedTuple):
    """What the network's logits are computed from, and the motions that its tokens stand for."""

    users: Int64[np.ndarray, "agents"]
    """Rows of the agents that decide."""
    features: Features
    state: State
    paths: Paths
    motions: Float32[np.ndarray, "tokens 3"]


Adjust = Callable[[DecisionInput, Logits], Logits]


class LearnedTraffic:
    """Vehicles accelerate along their paths; bicycles and pedestrians choose motions in their frame.

    Agents of the first frame, and those that the log adds later, are simulated from their first frame on; an agent
    that would enter where another one is, waits. An agent vanishes beyond nuPlan's radius around the ego and at the
    end of the lanes, as nuPlan's reactive agents do. Parked vehicles and static objects follow the log.
    """

    def __init__(
        self,
        scenario: Scenario,
        options: LearnedOptions | None = None,
        *,
        seed: int = 0,
        vehicle: VehicleParameters = PACIFICA,
        unseen_s: float = 0.0,
        adjust: Adjust | None = None,
    ) -> None:
        """Build the paths and take over the first frame.

        Args:
            scenario: Start of the traffic, at its first frame.
            options: Policies and style.
            seed: Of the agents' choices; they also depend on the scenario's id.
            vehicle: The ego.
            unseen_s: Time from the first frame on for which no agent observes the ego.
            adjust: Replaces the network's logits, for training in closed loop.

        Raises:
            FileNotFoundError: When a learned agent needs a checkpoint that is missing.
            ValueError: When the checkpoint does not fit, or the options do not fit the scenario.
        """
        announce_first_use("Learned traffic", decide, FIRST_USE_S)
        options = options or LearnedOptions()
        self._scenario, self._adjust = scenario, adjust
        self._seen_from = scenario.first_frame + round(unseen_s / STEP_S)
        policies = options.policies(scenario)
        policies[standing_off_lane(scenario) & (policies != Policy.LOG)] = Policy.LOG
        self._policies = policies
        simulated = np.flatnonzero(policies != Policy.LOG)
        drivers = np.isin(scenario.agents.kinds[simulated], (AgentKind.VEHICLE, AgentKind.BICYCLE))
        self._paths = PathBuilder(scenario, seed).build(simulated[drivers])
        self._is_free = scenario.agents.kinds != AgentKind.VEHICLE
        self._model = traffic_model(options.checkpoint) if (policies == Policy.LEARNED).any() else None
        self._style = Style(options.temperature, options.aggressiveness)
        self._rng = np.random.default_rng([seed, _number_of(scenario.scenario_id)])
        self._ego = EgoTrack(scenario, vehicle)
        self._lights = LightTable(scenario.traffic_lights, scenario.map)
        self._places = PlaceFinder(scenario.map)
        self._log = arrays_of_tracks(scenario.agents)
        self._tracks = _tracks_from_first_frame(self._log, simulated, scenario.first_frame)
        num_users = scenario.agents.num_agents + 1
        self._state = no_users(num_users, len(scenario.map.lanes))
        self._expected = np.zeros((num_users, FORECAST_POSES, 3))
        self._is_gone = np.zeros(scenario.agents.num_agents, dtype=bool)
        self._users = simulated[scenario.agents.valid[simulated, scenario.first_frame]].astype(np.int64)
        for row in self._users.tolist():
            self._start(row, scenario.first_frame)
        self._planned = np.zeros((len(self._users), DECISION_STEPS, PLANNED))

    @property
    def tracks(self) -> TrackArrays:
        """The log before the first frame; from it on, simulated agents up to the present frame."""
        return self._tracks

    @property
    def deciding(self) -> Int64[np.ndarray, "agents"]:
        """Rows of the agents that took part in the last decision."""
        return self._users

    def step(self, iteration: int, ego: Float64[np.ndarray, "10"]) -> None:
        """Decide, when it is time, given the ego's state before; and write frame `iteration + 1`."""
        now = self._scenario.first_frame + iteration
        self._ego.set(now, ego)
        if iteration % DECISION_STEPS == 0:
            self._decide(now)
        self._write(now + 1, self._planned[:, iteration % DECISION_STEPS])

    def _decide(self, now: int) -> None:
        """Choose for all simulated agents, and plan their next five poses."""
        self._observe(now)
        self._let_leave()
        self._let_enter(now)
        state = self._state
        users = self._users
        forecasts(self._paths, state, self._expected)
        choice = self._choices(users)
        self._planned = plan_motions(self._paths, state, users, self._is_free[users], choice)

    def _observe(self, now: int) -> None:
        ego = (self._ego.poses, self._ego.velocities, self._ego.size)
        observe(self._tracks, ~self._is_gone, ego, now, self._state)
        self._state.present[-1] = now >= self._seen_from
        self._lights.write(now, self._state.lights)

    def _choices(self, users: Int64[np.ndarray, "agents"]) -> Choice:
        """Draw from the network's distributions; without a learned agent all logits are 0."""
        is_free = self._is_free[users]
        features = empty_features(len(users))
        motions = np.zeros((1, 3), dtype=np.float32)
        logits = Logits(
            np.zeros((len(users), len(ACCELERATIONS_MPS2)), np.float32), np.zeros((len(users), 1), np.float32)
        )
        if self._model is not None:
            motions = self._model.vocabulary.motions
            places = self._places.places(self._state, users)
            fill_features(self._paths, self._state, self._expected, users, places, features)
            logits = Logits(*infer(self._model.weights, features, is_free))
            if self._adjust is not None:
                given = DecisionInput(users, features, self._state, self._paths, motions)
                logits = self._adjust(given, logits)
        tokens = np.zeros(logits.tokens.shape, dtype=np.float32)
        tokens[is_free] = self._rng.gumbel(size=(int(is_free.sum()), len(motions)))
        draws = Draws(self._rng.gumbel(size=logits.accelerations.shape), self._rng.uniform(size=len(users)), tokens)
        deciding = Deciding(users, is_free, self._policies[users] == Policy.IDM)
        return decide(self._paths, (self._state, self._expected), deciding, (*logits, motions), (draws, self._style))

    def _let_leave(self) -> None:
        """Remove agents beyond the radius around the ego and at the ends of their lanes."""
        left = has_left(self._paths, self._state, self._users, RADIUS_M)
        self._is_gone[self._users[left]] = True
        self._state.present[self._users[left]] = False
        self._users = self._users[~left]

    def _let_enter(self, now: int) -> None:
        """Add agents that the log adds, where they have room."""
        waiting = (self._policies != Policy.LOG) & ~self._is_gone & self._log.valid[:, now]
        waiting[self._users] = False
        for row in np.flatnonzero(waiting).tolist():
            if self._has_room(row, now):
                self._copy_log(row, now)
                self._start(row, now)
                self._users = np.sort(np.append(self._users, row))
                self._observe(now)

    def _has_room(self, row: int, now: int) -> bool:
        state, pose, size = self._state, self._log.poses[row, now], self._log.sizes[row, now]
        ego = state.poses[-1]
        if math.hypot(pose[0] - ego[0], pose[1] - ego[1]) > RADIUS_M:
            return False
        corners = box_corners(pose[0], pose[1], pose[2], size[0] + 2 * ENTRY_GAP_M, size[1])
        others = np.flatnonzero(state.present)
        return not boxes_overlapping(corners, state.poses[others], state.sizes[others]).any()

    def _start(self, row: int, now: int) -> None:
        """Find the agent's place on its path."""
        if self._paths.offsets[row + 1] > self._paths.offsets[row]:
            x, y = self._log.poses[row, now, :2].tolist()
            driven = self._log.poses[row, : now + 1][self._log.valid[row, : now + 1], :2]
            about_m = float(np.hypot(*np.diff(driven, axis=0).T).sum()) if len(driven) > 1 else 0.0
            self._state.progress[row] = arc_of(self._paths, row, (x, y), about_m)

    def _copy_log(self, row: int, now: int) -> None:
        """Show the log's box at the present frame."""
        for name in ("poses", "velocities", "sizes", "valid", "z"):
            getattr(self._tracks, name)[row, now] = getattr(self._log, name)[row, now]

    def _write(self, step: int, planned: Float64[np.ndarray, "agents 5"]) -> None:
        tracks, users = self._tracks, self._users
        tracks.valid[users, step] = True
        tracks.poses[users, step] = planned[:, :3]
        tracks.velocities[users, step] = planned[:, 3:]
        tracks.sizes[users, step] = self._state.sizes[users]
        tracks.z[users, step] = tracks.z[users, step - 1]


def _tracks_from_first_frame(log: TrackArrays, simulated: np.ndarray, first_frame: int) -> TrackArrays:
    """Copies of the log's tracks; after the first frame, only those that follow the log are valid."""
    tracks = TrackArrays(*(array.copy() for array in log))
    tracks.valid[simulated, first_frame + 1 :] = False
    for array in (tracks.poses, tracks.velocities, tracks.sizes, tracks.z):
        array[simulated, first_frame + 1 :] = np.nan
    tracks.order[:, first_frame + 1 :] = np.arange(len(tracks.valid))[:, np.newaxis]
    return tracks


def _number_of(scenario_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(scenario_id.encode(), digest_size=8).digest(), "little")
