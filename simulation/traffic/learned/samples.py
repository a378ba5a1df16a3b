"""Training samples from logs: what each agent knew twice a second, and what it did in the next half second."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from driving.scenario import Scenario
from simulation.traffic.learned.features import Features, empty_features, fill_features
from simulation.traffic.learned.observing import EgoTrack, LightTable, PlaceFinder, observe
from simulation.traffic.learned.paths import PathBuilder, arc_of, standing_off_lane
from simulation.traffic.learned.state import (
    DECISION_S,
    DECISION_STEPS,
    FORECAST_POSES,
    State,
    forecasts,
    no_users,
)
from simulation.traffic.tracks import arrays_of_tracks


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """N decisions of agents."""

    features: Features
    accelerations: Float32[np.ndarray, "decisions"]
    """What agents with a path did: change of speed over 0.5 s [m/s^2]."""
    motions: Float32[np.ndarray, "decisions 3"]
    """What agents did in their frame: forward [m], left [m], change of heading [rad]."""
    is_vehicle: Bool[np.ndarray, "decisions"]

    def __len__(self) -> int:
        return len(self.accelerations)

    def take(self, rows: Int64[np.ndarray, "rows"]) -> "Samples":
        """Some of the decisions."""
        return Samples(
            features=Features(*(array[rows] for array in self.features)),
            accelerations=self.accelerations[rows],
            motions=self.motions[rows],
            is_vehicle=self.is_vehicle[rows],
        )

    @classmethod
    def joined(cls, parts: Iterable["Samples"]) -> "Samples":
        """All decisions of several parts.

        Raises:
            ValueError: Without any decision.
        """
        found = [part for part in parts if len(part)]
        if not found:
            raise ValueError("The scenarios hold no moving agents to learn from. Give --towns, or other data.")
        return cls(
            features=Features(*(np.concatenate(arrays) for arrays in zip(*(p.features for p in found), strict=True))),
            accelerations=np.concatenate([part.accelerations for part in found]),
            motions=np.concatenate([part.motions for part in found]),
            is_vehicle=np.concatenate([part.is_vehicle for part in found]),
        )


def samples_of(scenario: Scenario, *, first_step: int = DECISION_STEPS, last_step: int | None = None) -> Samples:
    """Decisions of all moving agents of a scenario, every 0.5 s.

    Args:
        scenario: Its whole time axis counts.
        first_step: Of the first decision.
        last_step: No decision is later; None takes all whose next 0.5 s are logged.
    """
    agents = scenario.agents
    kinds = (AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN)
    learned = np.isin(agents.kinds, kinds) & ~standing_off_lane(scenario)
    rows = np.flatnonzero(learned)
    paths = PathBuilder(scenario).build(rows[agents.kinds[rows] != AgentKind.PEDESTRIAN])
    tracks = arrays_of_tracks(agents)
    ego, lights, places = EgoTrack(scenario), LightTable(scenario.traffic_lights, scenario.map), None
    places = PlaceFinder(scenario.map)
    state = no_users(agents.num_agents + 1, len(scenario.map.lanes))
    expected = np.zeros((agents.num_agents + 1, FORECAST_POSES, 3))
    all_agents = np.ones(agents.num_agents, dtype=bool)
    last = len(scenario.time_us) - 1 - DECISION_STEPS
    parts = []
    for step in range(first_step, min(last, last if last_step is None else last_step) + 1, DECISION_STEPS):
        observe(tracks, all_agents, (ego.poses, ego.velocities, ego.size), step, state)
        lights.write(step, state.lights)
        for row in np.flatnonzero(state.present[:-1] & (np.diff(paths.offsets) > 0)).tolist():
            before = state.progress[row]
            x, y = state.poses[row, :2].tolist()
            state.progress[row] = arc_of(paths, row, (x, y), 0.0 if np.isnan(before) else float(before))
        forecasts(paths, state, expected)
        users = np.flatnonzero(learned & agents.valid[:, step] & agents.valid[:, step + DECISION_STEPS])
        features = empty_features(len(users))
        fill_features(paths, state, expected, users, places.places(state, users), features)
        speed_after = _speeds(
            tracks.velocities[users, step + DECISION_STEPS], tracks.poses[users, step + DECISION_STEPS]
        )
        accelerations = (speed_after - state.speed[users]) / DECISION_S
        parts.append(
            Samples(
                features=features,
                accelerations=accelerations.astype(np.float32),
                motions=_motions(state, users, tracks.poses[users, step + DECISION_STEPS]).astype(np.float32),
                is_vehicle=agents.kinds[users] == AgentKind.VEHICLE,
            ).take(np.flatnonzero(np.isfinite(accelerations)))
        )
    empty = Samples(
        features=empty_features(0),
        accelerations=np.zeros(0, dtype=np.float32),
        motions=np.zeros((0, 3), dtype=np.float32),
        is_vehicle=np.zeros(0, dtype=bool),
    )
    return Samples.joined(parts) if any(len(part) for part in parts) else empty


def gathered(
    scenarios: Iterable[Scenario], report: Callable[[int], None] | None = None, *, most: int | None = None
) -> Samples:
    """Decisions of many scenarios.

    Args:
        scenarios: One after the other.
        report: Receives the number of decisions so far.
        most: Stop when there are this many.
    """
    parts: list[Samples] = []
    total = 0
    for scenario in scenarios:
        parts.append(samples_of(scenario))
        total += len(parts[-1])
        if report is not None:
            report(total)
        if most is not None and total >= most:
            break
    return Samples.joined(parts)


def _speeds(velocities: np.ndarray, poses: np.ndarray) -> Float64[np.ndarray, "agents"]:
    return velocities[:, 0] * np.cos(poses[:, 2]) + velocities[:, 1] * np.sin(poses[:, 2])


def _motions(state: State, users: np.ndarray, after: np.ndarray) -> Float64[np.ndarray, "agents 3"]:
    """Motions from the present poses to those after 0.5 s, in the frame of the present ones."""
    now = state.poses[users]
    dx, dy = (after - now)[:, :2].T
    cos, sin = np.cos(now[:, 2]), np.sin(now[:, 2])
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx, wrap_angle(after[:, 2] - now[:, 2])], axis=-1)
