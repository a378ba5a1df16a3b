"""Rarity of one agent: its likelihood among those of the agents of other scenarios."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.scenario import Scenario
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
from simulation.generation.learned.data import lights_at, scenario_boxes, scene_and_rows, scene_frames
from simulation.generation.learned.likelihood import scene_log_likelihoods
from simulation.generation.learned.network import SceneNetwork
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.threads import one_thread

MIN_REFERENCES = 30
"""Agents of a kind that are needed to rank another one."""
REFERENCE_SCENARIOS = 16
"""Scenarios of a data root with which `LearnedRarity.among` compares."""


class LearnedRarity:
    """Percentiles of negative log-likelihood among agents of the same kind.

    An agent is measured where it is at iteration 0, or 3 s, 6 s, ... later when it is not near the ego before: the
    network describes scenes at an instant, not manoeuvres, whose limits are kinematic.
    """

    def __init__(
        self,
        references: Iterable[Scenario],
        checkpoint: Path | Checkpoint = SHIPPED,
        min_references: int = MIN_REFERENCES,
    ) -> None:
        """Measure the agents to compare with.

        Args:
            references: Unchanged scenarios.
            checkpoint: A scene network.
            min_references: With fewer agents of a kind, its rarity is not measured.
        """
        self._min_references = min_references
        loaded = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
        self._network = loaded.network
        values: dict[int, list[float]] = {}
        for scenario in references:
            for row, value in agent_rarities(self._network, scenario).items():
                values.setdefault(int(scenario.agents.kinds[row]), []).append(value)
        self._sorted = {kind: np.sort(found) for kind, found in values.items()}

    @classmethod
    def among(cls, entries: Sequence[ScenarioEntry]) -> "LearnedRarity":
        """Compare with the agents of up to `REFERENCE_SCENARIOS` scenarios, evenly from a list."""
        rows = np.unique(np.linspace(0, max(len(entries) - 1, 0), REFERENCE_SCENARIOS).round().astype(int))
        return cls(open_scenario(entries[row]) for row in rows.tolist() if row < len(entries))

    def references(self, kind: AgentKind) -> Float64[np.ndarray, "references"]:
        """Sorted values of the agents of a kind."""
        return self._sorted.get(int(kind), np.zeros(0))

    def percentile(self, scenario: Scenario, track_id: str) -> float | None:
        """Share of the agents of its kind that are more likely than this one, in [0, 100].

        None when the agent is never near a lane around the ego, or too few agents of its kind are known.
        """
        row = scenario.agents.track_ids.index(track_id)
        known = self.references(AgentKind(int(scenario.agents.kinds[row])))
        if len(known) < self._min_references:
            return None
        value = agent_rarity(self._network, scenario, row)
        return None if value is None else 100.0 * float(np.searchsorted(known, value)) / len(known)


def agent_rarity(network: SceneNetwork, scenario: Scenario, row: int) -> float | None:
    """Negative log-density of one agent in the first scene that shows it; None when there is none.

    Only that scene is scored.
    """
    for frame in scene_frames(scenario).tolist():
        if scenario.agents.valid[row, frame]:
            found = _scene_and_rows_at(scenario, frame)
            if found is not None and row in found[1]:
                return _scored(network, *found)[row]
    return None


def agent_rarities(network: SceneNetwork, scenario: Scenario) -> dict[int, float]:
    """Negative log-density of each agent by its row, in the first scene that shows it; others are left out."""
    values: dict[int, float] = {}
    for frame in scene_frames(scenario).tolist():
        found = _scene_and_rows_at(scenario, frame)
        if found is not None:
            values = {**_scored(network, *found), **values}
    return values


def _scene_and_rows_at(scenario: Scenario, frame: int) -> tuple[Scene, Int64[np.ndarray, "agents"]] | None:
    """The scene of a frame, and the scenario's row of each of its agents: -1 for the ego."""
    boxes = scenario_boxes(scenario, frame)
    found = scene_and_rows(scenario.map, boxes, len(boxes.kinds) - 1, lights_at(scenario, frame))
    if found is None:
        return None
    # The ego, the last of the boxes, has no track.
    return found[0], np.append(np.flatnonzero(scenario.agents.valid[:, frame]), -1)[found[1]]


def _scored(network: SceneNetwork, scene: Scene, rows: Int64[np.ndarray, "agents"]) -> dict[int, float]:
    """Values by row. The scene is scored alone, as the last bits differ in a batch of several."""
    with one_thread():
        ((densities, _),) = scene_log_likelihoods(network, [scene])
    return {row: -density for row, density in zip(rows.tolist(), densities.tolist(), strict=True) if row >= 0}
