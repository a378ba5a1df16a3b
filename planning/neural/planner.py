"""The student as a planner: score all entries, drive the best."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from driving import PACIFICA, Candidates, MapGraph, Observation, Route, Trajectory
from driving.candidates import LOGGED_TIME_S
from driving.geometry import local_from_global, poses_out_of_frame_of
from driving.timing import STEP_S
from planning.forecasting.agents import NUM_INSTANTS, agents_ahead
from planning.neural.candidate_selection import ReachableEntries
from planning.neural.features import (
    FEATURE_NAMES,
    IS_CONNECTOR,
    FeatureBuilder,
    nearest_agents,
    route_points,
    trimmed,
)
from planning.neural.network import COMFORT, DRIVABLE_AREA, TIME_TO_COLLISION, Student, joined_score
from planning.neural.relations import DRIVEN_COLUMNS
from planning.neural.route_distance import astray_in_junctions
from planning.neural.ttc_check import ExpectedOthers
from planning.neural.vocabulary import NUM_POSES
from simulation.ego.box import EgoBox
from simulation.ego.dynamics import HEADING, VELOCITY_X, state_array, states_of
from simulation.ego.vocabulary_tracking import drive_vocabulary, fit_vocabulary, retime_entries
from simulation.metrics.nuplan.comfort import OPEN_STEPS, comfortable_motions
from simulation.metrics.pdm.road import DRIVABLE, OFF_ROAD, ON_ROUTE, ONCOMING, ClassifiedAreas, ego_areas

SHIPPED = Path(__file__).parent / "checkpoints" / "tiny"
"""The student that comes with the project."""
BLEND_RADIUS_M = 1.0
BLEND_TEMPERATURE = 0.03
"""Entries this near to the best, in score and mean distance, are averaged with it: finer than the vocabulary."""
NUM_CONSIDERED = 224
"""Entries asked for a plan: fewer than in training, so that a batch takes less time."""
NUM_FELT, MAX_LOOKS = 32, 4
"""Of so many of the best entries, comfort and time to collision are not foreseen but computed; where one that was not
asked is then the best, of so many more, and so on."""
PRESSING_WEIGHT = 1.0
"""Where all come too near to somebody, those that do so for a shorter time are better."""
FELT_STEPS = 16
"""As far back as the filters of comfort look, the present step included."""
EDGE_M = 0.2
"""A corner may be off the road by so little, from either of its sides; nuPlan's metric lets it be by 0.3 m."""
OFF_ROUTE_WEIGHT = 0.1
"""An entry beside the lanes of the route is worse the longer it is there: nuPlan counts no progress."""
ASTRAY_WEIGHT = 0.4
"""For each metre beside the route in a junction. Slow entries hardly differ in where they lead to, and of those that
brake most go straight on: a student that brakes in a turn else drifts out of its lane."""
_SURE = 6.0
"""Logit of what is known."""
STATES_AT_ONCE = 8
"""The network is asked about so many at a time: activations of more neither stay in the cache nor in memory that
the system leaves to the process."""
NUM_CANDIDATES = 16
"""So many of the best entries are told."""
_SHOWN_STEPS = np.rint(LOGGED_TIME_S / STEP_S).astype(int)


class StudentPlanner:
    """Scores the vocabulary by the student network and returns the best entry, blended with its like.

    Nothing it keeps from step to step decides a plan, so that one instance drives many scenarios in lockstep.
    """

    def __init__(self, student: Student, name: str = "student", device: str = "cpu", threads: int | None = 1) -> None:
        """Make ready to plan.

        Args:
            student: From `Student.load`.
            name: In reports.
            device: Of torch.
            threads: Of torch in this process, None to leave them alone; many workers share a machine.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        # torch's fused encoder layer takes twice as long on the CPU as the parts that it fuses.
        torch.backends.mha.set_fastpath_enabled(False)
        self.name = name
        self._student, self._device = student, device
        self._network = student.network.eval().to(device)
        self._fitted = fit_vocabulary(student.vocabulary.poses)
        self._reachable = ReachableEntries(self._fitted, NUM_CONSIDERED)
        self._builder = FeatureBuilder()
        self._told: list[tuple[Observation, np.ndarray, np.ndarray]] = []

    @classmethod
    def load(cls, folder: Path | str | None = None) -> "StudentPlanner":
        """The planner of a checkpoint folder, of the one that comes with the project without.

        Raises:
            FileNotFoundError: When there is no checkpoint.
            ValueError: When it is of another version or configuration.
        """
        # Idle threads of OpenMP would otherwise spin and take the core from others.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if folder is None:
            return cls(Student.load(SHIPPED))
        return cls(Student.load(Path(folder)), name=f"student:{Path(folder).name}")

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Look up the lanes of the route.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self._builder.prepare(map, route)

    def plan(self, observation: Observation) -> Trajectory:
        """Drive the best entry."""
        return self.plan_batch([observation])[0]

    def plan_batch(self, observations: Sequence[Observation]) -> list[Trajectory]:
        """One plan per observation; the network is asked once."""
        if not observations:
            self._told = []
            return []
        entries, scores = self.scores(observations)
        self._told = list(zip(observations, entries, scores, strict=True))
        return [self._plan(*told) for told in self._told]

    def candidates(self) -> list[Candidates | None]:
        """The best entries for each observation of the last call, the best first; it is driven, blended."""
        return [self._best_entries(*told) for told in self._told]

    def _best_entries(self, observation: Observation, entries: np.ndarray, scores: np.ndarray) -> Candidates:
        count = min(NUM_CANDIDATES, len(scores))
        best = np.argpartition(-scores, count - 1)[:count]
        best = best[np.argsort(-scores[best], kind="stable")]
        poses = self._retimed(observation, entries[best])[:, _SHOWN_STEPS]
        return Candidates(
            time_s=LOGGED_TIME_S,
            poses=poses_out_of_frame_of(poses, observation.ego_now.rear_axle_pose),
            scores=scores[best].astype(np.float64),
            chosen=0,
        )

    @torch.inference_mode()
    def scores(
        self, observations: Sequence[Observation]
    ) -> tuple[Int64[np.ndarray, "observations asked"], Float32[np.ndarray, "observations asked"]]:
        """Entries of the vocabulary that can be reached at the speed of the ego, and their joined scores."""
        agents = [nearest_agents(observation) for observation in observations]
        built = [self._builder.build(*shown) for shown in zip(observations, agents, strict=True)]
        stacked = trimmed({name: np.stack([getattr(one, name) for one in built]) for name in FEATURE_NAMES})
        features = {name: torch.from_numpy(values).to(self._device) for name, values in stacked.items()}
        states = np.stack([state_array(observation.ego_now) for observation in observations])
        entries = self._reachable.at(states[:, VELOCITY_X], stacked["route"], stacked["route_mask"])
        driven = drive_vocabulary(self._fitted, states, entries)
        told = torch.from_numpy(driven[..., DRIVEN_COLUMNS].astype(np.float32)).to(self._device)
        known = _along_lanes(observations, agents, stacked["agents_mask"].shape[1])
        logits = self._logits(features, told, torch.from_numpy(known).to(self._device))
        lost = torch.zeros(())
        if DRIVABLE_AREA in logits:
            off, beside = self._off_road(observations, driven)
            astray_m = _astray(driven, stacked["route"], stacked["route_mask"])
            lost = torch.from_numpy(OFF_ROUTE_WEIGHT * beside + ASTRAY_WEIGHT * astray_m).to(logits[DRIVABLE_AREA])
            # Where no entry stays on the road, the one that is off it for the shortest time is the best.
            sure = np.where(off == 0.0, _SURE, -0.5 * _SURE * (1.0 + off))
            logits[DRIVABLE_AREA] = torch.from_numpy(sure).to(logits[DRIVABLE_AREA])
        others = ExpectedOthers.of(features, known)
        scores = self._looked_at(observations, states, entries, others, logits, lost)
        return entries, scores.float().cpu().numpy()

    def _logits(self, features: dict[str, Tensor], told: Tensor, known_ahead_m: Tensor) -> dict[str, Tensor]:
        parts = []
        for start in range(0, len(told), STATES_AT_ONCE):
            rows = slice(start, start + STATES_AT_ONCE)
            part = {name: values[rows] for name, values in features.items()}
            logits, _ = self._network(part, told[rows], known_ahead_m[rows])
            parts.append(logits)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _looked_at(
        self,
        observations: Sequence[Observation],
        states: np.ndarray,
        entries: np.ndarray,
        others: ExpectedOthers,
        logits: dict[str, Tensor],
        lost: Tensor,
    ) -> Tensor:
        """Joined scores in which comfort and time to collision of the best entries are not foreseen, but computed.

        `lost` is taken off the scores.
        """
        weights = self._student.weights
        scores = joined_score(logits, weights) - lost
        if COMFORT not in logits or TIME_TO_COLLISION not in logits:
            return scores
        known, count = dict(logits), min(NUM_FELT, scores.shape[1])
        seen, pressing = torch.zeros_like(scores, dtype=torch.bool), torch.zeros_like(scores)
        for _ in range(MAX_LOOKS):
            rows = torch.nonzero(~seen.gather(1, scores.argmax(1, keepdim=True))[:, 0])[:, 0]
            if not len(rows):
                break
            best = torch.topk(scores[rows].masked_fill(seen[rows], -torch.inf), count, dim=1).indices
            chosen = rows.cpu().numpy()
            asked = np.take_along_axis(entries[chosen], best.cpu().numpy(), axis=1)
            driven = drive_vocabulary(self._fitted, states[chosen], asked, stride=1)
            felt = self._felt([observations[row] for row in chosen], driven)
            shares = torch.from_numpy(others.closing_shares(chosen, driven)).to(scores)
            comfort = torch.from_numpy(np.where(felt, _SURE, -_SURE)).to(scores)
            known[COMFORT] = _replaced(known[COMFORT], rows, best, comfort)
            foreseen = known[TIME_TO_COLLISION][rows].gather(1, best)
            closing = torch.where(shares > 0.0, foreseen.clamp(max=-_SURE), foreseen)
            known[TIME_TO_COLLISION] = _replaced(known[TIME_TO_COLLISION], rows, best, closing)
            pressing = _replaced(pressing, rows, best, shares)
            seen = _replaced(seen, rows, best, torch.ones_like(best, dtype=torch.bool))
            scores = joined_score(known, weights) - lost - PRESSING_WEIGHT * pressing
        return scores

    def _off_road(
        self, observations: Sequence[Observation], driven: np.ndarray
    ) -> tuple[Float64[np.ndarray, "observations entries"], Float64[np.ndarray, "observations entries"]]:
        """Share of the instants at which a corner of the ego is off the road, and at which its centre is off route.

        The road is what nuPlan's metric takes for it: lanes, roadblocks, car parks, and whole junctions. A corner may
        be off it by `EDGE_M`.
        """
        box = EgoBox(
            PACIFICA.length_m - 2.0 * EDGE_M, PACIFICA.width_m - 2.0 * EDGE_M, PACIFICA.rear_axle_to_center_m
        )
        poses = np.stack(
            [
                poses_out_of_frame_of(driven[row, ..., : HEADING + 1], observation.ego_now.rear_axle_pose)
                for row, observation in enumerate(observations)
            ]
        )
        # numpy looks for the ends of a row twenty times faster than for those of a column.
        places = np.ascontiguousarray(poses[..., :2].reshape(len(poses), -1, 2).swapaxes(1, 2))
        low, high = places.min(axis=2) - PACIFICA.length_m, places.max(axis=2) + PACIFICA.length_m
        maps = np.array([id(observation.map) for observation in observations])
        off, beside = np.empty(driven.shape[:2]), np.empty(driven.shape[:2])
        for row, observation in enumerate(observations):
            road = self._builder.road(observation)
            # One raster for all who drive on this map.
            near = maps == maps[row]
            raster = road.areas.raster(low[near].min(axis=0), high[near].max(axis=0))
            # How many lanes a pose is in is not asked here.
            areas = ego_areas(poses[row], ClassifiedAreas(raster, road.kinds & ON_ROUTE | DRIVABLE), box)
            off[row], beside[row] = ((areas & OFF_ROAD) > 0).mean(axis=1), ((areas & ONCOMING) > 0).mean(axis=1)
        return off, beside

    def _felt(
        self, observations: Sequence[Observation], driven: Float64[np.ndarray, "observations entries 40 10"]
    ) -> Bool[np.ndarray, "observations entries"]:
        """Whether nuPlan's bounds of comfort hold from a while ago to the end of each entry."""
        felt = np.empty(driven.shape[:2], dtype=bool)
        for row, observation in enumerate(observations):
            past = _past(observation)
            motions = np.concatenate([np.broadcast_to(past, (driven.shape[1], *past.shape)), driven[row]], axis=1)
            felt[row] = comfortable_motions(motions, last=OPEN_STEPS)
        return felt

    def _retimed(self, observation: Observation, entries: np.ndarray) -> Float64[np.ndarray, "entries 41 3"]:
        return retime_entries(self._fitted, state_array(observation.ego_now), entries)

    def _plan(self, observation: Observation, entries: np.ndarray, scores: np.ndarray) -> Trajectory:
        near = np.flatnonzero(scores > scores.max() - 7.0 * BLEND_TEMPERATURE)
        poses = self._retimed(observation, entries[near])
        best = int(np.argmax(scores[near]))
        gap_m = np.hypot(*(poses[:, ::5, :2] - poses[best, ::5, :2]).transpose(2, 0, 1)).mean(axis=1)
        weights = np.exp((scores[near] - scores[near][best]) / BLEND_TEMPERATURE) * (gap_m <= BLEND_RADIUS_M)
        blended = np.einsum("v,vtc->tc", weights / weights.sum(), poses)
        return Trajectory(
            time_s=np.arange(NUM_POSES) * STEP_S,
            poses=poses_out_of_frame_of(blended, observation.ego_now.rear_axle_pose),
        )


def _along_lanes(
    observations: Sequence[Observation], agents: Sequence[np.ndarray], num_agents: int
) -> Float32[np.ndarray, "observations agents 8 2"]:
    """Where agents that follow a lane will be [m, ego frame]; NaN for others, of which the network knows more.

    The tokens hold no lane of an agent: at its velocity, an oncoming car in every bend comes at the ego.
    """
    known = np.full((len(observations), num_agents, NUM_INSTANTS, 2), np.nan, dtype=np.float32)
    for row, (observation, rows) in enumerate(zip(observations, agents, strict=True)):
        ahead, way = agents_ahead(observation, rows)
        ahead[way[:, 0] == 0.0] = np.nan
        known[row, : len(rows)] = local_from_global(ahead, observation.ego_now.rear_axle_pose)
    return known


def _astray(
    driven: Float64[np.ndarray, "observations entries 8 10"],
    route: Float32[np.ndarray, "observations points values"],
    mask: Bool[np.ndarray, "observations points"],
) -> Float64[np.ndarray, "observations entries"]:
    """How far entries are beside the route in junctions [m]."""
    return astray_in_junctions(driven, route_points(route), mask.sum(axis=1), route[..., IS_CONNECTOR] > 0.0)


def _past(observation: Observation) -> Float64[np.ndarray, "steps 10"]:
    """What the ego did up to now, turned as its entries are; before the first step of a drive it did nothing."""
    past = states_of(observation.ego)[0, -min(FELT_STEPS, observation.iteration + 1) :].copy()
    past[:, HEADING] -= past[-1, HEADING]
    return past


def _replaced(table: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """A copy of a table with other values in some columns of some rows."""
    table = table.clone()
    table[rows[:, None], columns] = values.to(table.dtype)
    return table
