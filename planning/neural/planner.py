"""The student as a planner: score a vocabulary of trajectories, drive the best (Hydra-MDP in closed loop).

The student is a network that was trained to predict the sub-scores of a rule-based teacher for each candidate. A plan
takes five steps (`StudentPlanner.score_candidates`):

1. select 224 candidates of the vocabulary: diverse at the ego's speed, and near the route or least far off it;
2. re-time them to start at the ego's speed, then track them with LQR tracker and bicycle model, as in simulation;
3. predict with the network: per candidate, one logit per sub-score of the teacher and one of imitation;
4. compute what needs no prediction (`exact_terms.py`): drivable area and comfort replace their logits, and leaving
   the route is a penalty; a time to collision that forecast agents violate lowers its logit and is a penalty;
5. combine the heads into one score per candidate.

Unlike Hydra-MDP, it scores a selection of the vocabulary as tracked from the ego's state, takes agents and map
instead of sensor data, corrects predicted terms with computed ones, and averages the best candidates.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from driving.candidates import Candidates
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory
from planning.neural import exact_terms
from planning.neural.candidate_features import CandidateGeometry, candidate_geometry
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.decoder import Logits
from planning.neural.devices import torch_device
from planning.neural.exact_terms import DRIVABLE_AREA, StudentSettings, comfort_history
from planning.neural.features import FEATURE_NAMES, FeatureBuilder, trimmed
from planning.neural.network import Student
from planning.neural.scoring import (
    Queries,
    ScoredCandidates,
    ScoreTerms,
    as_tensor,
    blended_plan,
    refine_top_candidates,
    reported_candidates,
)
from planning.neural.tokens import StackedFeatures
from planning.neural.ttc_check import ForecastArrays, forecasts_of
from simulation.ego.dynamics import VELOCITY_X, X, Y, state_array
from simulation.ego.vocabulary_tracking import drive_vocabulary, fit_vocabulary

SHIPPED = Path(__file__).parent / "checkpoints" / "tiny"
"""The student that comes with the project."""
NUM_CANDIDATES = 224
"""Candidates of a plan: fewer than in training, to save time."""
CPU_BATCH = 8
"""States per call of the network on the CPU: activations of more fit neither into its cache nor into memory that the
allocator keeps. A GPU takes all at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """Observations of one batch, as arrays."""

    observations: Sequence[Observation]
    features: StackedFeatures
    states: Float64[np.ndarray, "observations 10"]


class StudentPlanner:
    """Scores candidates of the vocabulary with the student network and returns the best, blended with its neighbours.

    No plan depends on an earlier one, so that one instance drives many scenarios in lockstep.
    """

    def __init__(
        self,
        student: Student,
        *,
        name: str = "student",
        device: str = "cpu",
        settings: StudentSettings | None = None,
        threads: int | None = 1,
    ) -> None:
        """Prepare the vocabulary and move the network to its device.

        Args:
            student: Result of `Student.load`.
            name: In reports.
            device: Of the network, see `torch_device`.
            settings: Which parts are on; all by default.
            threads: Of torch in this process, None to leave them as they are; many workers share a machine.

        Raises:
            ValueError: When the device does not exist.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        # torch's fused encoder layer takes twice as long on the CPU as its parts.
        torch.backends.mha.set_fastpath_enabled(False)
        self.name = name
        self.device = torch_device(device)
        self._student = student
        # Exact terms whose heads the network lacks are off.
        self._settings = (settings or StudentSettings()).for_heads(student.network.sub_scores)
        self._network = student.network.eval().to(self.device)
        self._fitted = fit_vocabulary(student.vocabulary.poses)
        self._selector = CandidateSelector(self._fitted, NUM_CANDIDATES)
        self._builder = FeatureBuilder()
        self._last_batch: list[ScoredCandidates] = []

    @classmethod
    def load(
        cls, folder: Path | str | None = None, *, device: str = "cpu", without: tuple[str, ...] = ()
    ) -> "StudentPlanner":
        """The planner of a checkpoint folder, by default of the shipped student.

        Args:
            folder: Written by `Student.save`.
            device: "cpu", "cuda", "cuda:1" or "auto".
            without: Parts to turn off, names of `StudentSettings`; "all" for all but the network.

        Raises:
            FileNotFoundError: When there is no checkpoint.
            ValueError: When the checkpoint is of another version or configuration, or device or part is unknown.
        """
        # Idle threads of OpenMP would otherwise spin and take processor time from other processes.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        name = "student" if folder is None else f"student:{Path(folder).name}"
        settings = StudentSettings.without(without)
        return cls(Student.load(Path(folder or SHIPPED)), name=name, device=device, settings=settings)

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Look up the lanes of the route ahead of the first plan, which takes map and route from its observation.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self._builder.prepare(map, route)

    def plan(self, observation: Observation) -> Trajectory:
        """Plan for one observation."""
        return self.plan_batch([observation])[0]

    def plan_batch(self, observations: Sequence[Observation]) -> list[Trajectory]:
        """One plan per observation, with one batched query of the network."""
        self._last_batch = self.score_candidates(observations) if observations else []
        return [blended_plan(scored, self._fitted) for scored in self._last_batch]

    def candidates(self) -> list[Candidates | None]:
        """The best candidates of each observation of the last batch, best first; the best, blended, is the plan."""
        return [reported_candidates(scored, self._fitted) for scored in self._last_batch]

    @torch.inference_mode()
    def score_candidates(self, observations: Sequence[Observation]) -> list[ScoredCandidates]:
        """The five steps of a plan: select, track, predict, exact terms, combine."""
        batch = self._batch(observations)

        # 1. Select candidates from the vocabulary.
        route, route_mask = batch.features["route"], batch.features["route_mask"]
        candidates = self._selector.select(batch.states[:, VELOCITY_X], route, route_mask)

        # 2. Track them: states every 0.5 s.
        tracked = drive_vocabulary(self._fitted, batch.states, candidates)

        # 3. Network: logits of all heads.
        geometry = candidate_geometry(batch.features, tracked)
        terms = ScoreTerms(logits=self._predict(batch.features, geometry))

        # 4. Exact terms: those of the map for all candidates, comfort and time to collision for the top ones.
        self._compute_map_terms(batch, tracked, terms)
        self._refine_top_candidates(batch, candidates, forecasts_of(batch.features, geometry), terms)

        # 5. Combine: one score per candidate.
        scores = terms.combined(self._student.weights).numpy()
        return [
            ScoredCandidates(ego=observation.ego_now, candidates=rows, scores=row_scores)
            for observation, rows, row_scores in zip(observations, candidates, scores, strict=True)
        ]

    def _batch(self, observations: Sequence[Observation]) -> _Batch:
        """Tokens and ego states of the observations."""
        built = [self._builder.build(observation) for observation in observations]
        return _Batch(
            observations=observations,
            features=trimmed({name: np.stack([getattr(one, name) for one in built]) for name in FEATURE_NAMES}),
            states=np.stack([state_array(observation.ego_now) for observation in observations]),
        )

    def _predict(self, features: StackedFeatures, geometry: CandidateGeometry) -> Logits:
        """Logits of all heads, on the CPU; the features of the candidates are computed there as well."""
        heads, num_states = self._network.decoder.names, len(geometry.tracked)
        if not self._settings.network:
            return _without_network(heads, geometry)
        tensors = {name: torch.from_numpy(values).to(self.device) for name, values in features.items()}
        size = CPU_BATCH if self.device.type == "cpu" else num_states
        parts = []
        for start in range(0, num_states, size):
            rows = slice(start, start + size)
            logits, _ = self._network({name: values[rows] for name, values in tensors.items()}, geometry.rows(rows))
            parts.append(torch.stack([logits[name] for name in heads]))
        return dict(zip(heads, torch.cat(parts, dim=1).float().cpu(), strict=True))

    def _compute_map_terms(
        self, batch: _Batch, tracked: Float64[np.ndarray, "observations candidates 8 10"], terms: ScoreTerms
    ) -> None:
        """Compute drivable area and off-route penalty for all candidates."""
        settings, features = self._settings, batch.features
        if not (settings.drivable_area or settings.off_route):
            return
        contexts = [self._builder.context(observation) for observation in batch.observations]
        areas = exact_terms.areas_under_ego(batch.observations, contexts, tracked)
        if settings.drivable_area:
            terms.logits[DRIVABLE_AREA] = as_tensor(exact_terms.drivable_area(areas))
        if settings.off_route:
            penalty = exact_terms.off_route(areas, tracked, features["route"], features["route_mask"])
            terms.off_route_penalty = as_tensor(penalty)

    def _refine_top_candidates(
        self,
        batch: _Batch,
        candidates: Int64[np.ndarray, "observations candidates"],
        forecasts: ForecastArrays,
        terms: ScoreTerms,
    ) -> None:
        """Comfort and time to collision of the top candidates, see `scoring.refine_top_candidates`."""
        histories = [comfort_history(each.ego, each.iteration) for each in batch.observations]
        queries = Queries(batch.states, histories, candidates, forecasts)
        refine_top_candidates(queries, terms, self._fitted, self._student.weights, self._settings)


def _without_network(heads: Sequence[str], geometry: CandidateGeometry) -> Logits:
    """Logits of 0; that of progress is the distance of a candidate after 4 s, relative to the farthest one."""
    num_states, num_candidates = geometry.tracked.shape[:2]
    logits = {name: torch.zeros((num_states, num_candidates)) for name in heads}
    if "progress" in logits:
        distance_m = torch.from_numpy(np.hypot(geometry.tracked[:, :, -1, X], geometry.tracked[:, :, -1, Y]))
        share = distance_m / distance_m.amax(dim=1, keepdim=True).clamp(min=1.0)
        logits["progress"] = torch.logit(share, eps=1e-3)
    return logits
