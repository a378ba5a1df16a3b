"""Scenarios from learned scenes: place, lights, agents drawn by the network, and their continuation."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from driving.agents import LightStatus
from driving.checks import scenario_findings
from driving.map import MapGraph, TurnKind
from driving.nuplan.stored_map import as_stored
from driving.recording import Recording
from driving.scenario import Scenario
from simulation.generation.condition import COUNTS, SIGNALS, SceneCondition
from simulation.generation.learned.canvas import DrawnScene
from simulation.generation.learned.checkpoint import SHIPPED, Checkpoint
from simulation.generation.learned.data import scenario_scenes
from simulation.generation.learned.drawing import canvas_for, draw_scene_with_counts
from simulation.generation.learned.driving_network import driving_network
from simulation.generation.learned.driving_side import require_right_hand_traffic
from simulation.generation.learned.facts import SceneFacts, scene_facts
from simulation.generation.learned.futures import continued, now_step, sample_times
from simulation.generation.learned.likelihood import rarity_score, scene_log_likelihoods
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.recording import NoRouteError, scene_recording
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.signals import light_table
from simulation.generation.learned.threads import one_thread
from simulation.generation.learned.window import SceneWindow, scene_window
from simulation.generation.town.layout import plan_town, small_town
from simulation.generation.town.roads import build_roads
from simulation.geometry.lane_anchors import lane_lengths

MAX_ATTEMPTS = 60
"""Scenes that are drawn until one meets the condition and drives without an error."""
NUM_RANKED = 24
"""Scenes of which the likelihoods are ranked for a band of rarity."""
MIN_LANE_M = 25.0
"""Length of the lanes on which egos begin."""
BEFORE_LINE_M = (6.0, 40.0)
"""Distance before the end of a lane of egos that need a light or a turn ahead."""
_SPEED_OF_TYPE = {
    "high_magnitude_speed": (8.0, 22.0),
    "low_magnitude_speed": (0.0, 3.0),
    "stationary": (0.0, 0.0),
    "stationary_in_traffic": (0.0, 0.0),
    "stopping_with_lead": (2.0, 12.0),
}
"""Speeds of egos at iteration 0 from which a type often follows; its tag is 3 s later."""
_TURN_OF_TYPE = {"starting_left_turn": TurnKind.LEFT, "starting_right_turn": TurnKind.RIGHT}


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratedScene:
    """A drawn scene and where it came from."""

    scene: Scene
    """The ego is the first agent."""
    drawn: DrawnScene
    rarity: float
    """Negative log-likelihood per agent."""


@lru_cache(maxsize=4)
def town_map(seed: int) -> MapGraph:
    """The map of a small town without traffic.

    Raises:
        ValueError: When none of 20 plans can be built.
    """
    rng = np.random.default_rng([seed, 1617])
    for left in reversed(range(20)):
        try:
            return build_roads(rng, plan_town(rng, small_town()), small_town(), f"streets-{seed:04d}").map
        except ValueError:
            if left == 0:
                raise
    raise AssertionError("The loop returns or raises.")


class LearnedGenerator:
    """One scenario per seed, on any map with right-hand traffic."""

    def __init__(self, checkpoint: Path | Checkpoint = SHIPPED, map_graph: MapGraph | None = None) -> None:
        """Load the network.

        Args:
            checkpoint: Folder of a training, or what it contains.
            map_graph: The map; None takes that of a small town, another one for each seed.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: For a checkpoint of another vocabulary, or a map with left-hand traffic.
        """
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
        if map_graph is not None:
            require_right_hand_traffic(map_graph)
        self.map = map_graph

    def generate(self, seed: int, condition: str | SceneCondition | None = None) -> Scenario:
        """One scenario.

        Args:
            seed: Equal seeds, conditions, maps and checkpoints give equal scenarios.
            condition: Entries of `SceneCondition`, or one.

        Raises:
            ValueError: For a wrong condition, or one that no scene of `MAX_ATTEMPTS` meets; says what was found.
        """
        recording = self.record(seed, condition)
        return recording.scenario(recording.tags[0])

    def record(self, seed: int, condition: str | SceneCondition | None = None) -> Recording:
        """`generate`, as a recording for the nuPlan writer."""
        wanted = condition if isinstance(condition, SceneCondition) else SceneCondition.parse(condition or "")
        map_graph = as_stored(self.map if self.map is not None else town_map(seed % 8))
        return self._first_valid(seed, wanted, map_graph, None)

    def complete(
        self, scenario: Scenario, seed: int, condition: SceneCondition | None = None, keep: tuple[str, ...] = ()
    ) -> Recording:
        """Keep the ego and some agents of a scenario's first frame, and draw all others (inpainting).

        Cones, barriers and agents that a scene does not represent are left out.

        Args:
            scenario: The scene to complete.
            seed: Of the draw.
            condition: Of the completed scene, kept agents included.
            keep: Track ids.

        Raises:
            ValueError: When the ego is in no lane, or a kept track is not part of the scene.
        """
        frame = scenario.first_frame
        rows = np.flatnonzero(scenario.agents.valid[:, frame])
        ids = [scenario.agents.track_ids[row] for row in rows]
        missing = [one for one in keep if one not in ids]
        if missing:
            raise ValueError(f"Track {missing[0]} is not observed at the first frame of {scenario.scenario_id}.")
        kept = [row for row, one in zip(rows.tolist(), ids, strict=True) if one in keep]
        part = replace(scenario, agents=scenario.agents.take(np.array(kept, dtype=np.int64)), about_track=None)
        scenes = list(scenario_scenes(part, np.array([frame])))
        if not scenes:
            raise ValueError(
                f"The ego of {scenario.scenario_id} is in no lane with enough lanes around. Choose another scenario."
            )
        if len(scenes[0].others) < len(kept):
            raise ValueError(
                f"{len(kept) - len(scenes[0].others)} of {len(kept)} kept tracks cannot be part of a scene: they are"
                " farther than 100 m from the ego, far from all lanes, or no vehicle, bicycle or pedestrian."
            )
        return self._first_valid(seed, condition or SceneCondition(), scenario.map, scenes[0])

    def log_likelihood(self, scene: Scene) -> Float64[np.ndarray, "agents"]:
        """Log-density of each agent of a scene, given those drawn before it."""
        with one_thread():
            return scene_log_likelihoods(self.checkpoint.network, [scene])[0][0]

    def _first_valid(self, seed: int, wanted: SceneCondition, map_graph: MapGraph, kept: Scene | None) -> Recording:
        reasons: Counter[str] = Counter()
        for attempt in range(MAX_ATTEMPTS):
            rng = np.random.default_rng([seed, attempt, 16])
            with one_thread():
                found = self._attempt(rng, seed, wanted, map_graph, kept)
            if isinstance(found, Recording):
                return found
            reasons[found] += 1
        listed = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
        raise ValueError(
            f"None of {MAX_ATTEMPTS} scenes of seed {seed} on map {map_graph.name} meets the condition"
            f" '{wanted.text()}': {listed}. Ask for less, or choose another map."
        )

    def _attempt(
        self, rng: np.random.Generator, seed: int, wanted: SceneCondition, map_graph: MapGraph, kept: Scene | None
    ) -> Recording | str:
        """A recording that meets the condition, or the reason why there is none."""
        try:
            window = kept.window if kept is not None else place_of_ego(map_graph, wanted, rng)
        except ValueError as error:
            return str(error)
        network = driving_network(map_graph, window.center[:2])
        light = _light_ahead(window, network.light_ids.tolist()) if wanted.signal else None
        if wanted.signal and light is None:
            return "no traffic light ahead of the ego"
        status = SIGNALS[wanted.signal] if wanted.signal else LightStatus.RED
        lights = light_table(
            map_graph, network.light_ids, sample_times(), rng, None if light is None else (light, status)
        )
        now = {
            int(one): LightStatus(int(state))
            for one, state in zip(network.light_ids, lights[:, now_step()], strict=True)
        }
        drawn = self.drawn(window, now, wanted if kept is not None else implied(wanted), rng, kept)
        if isinstance(drawn, str):
            return drawn
        agents = drawn.scene.agents
        scene = continued(window, agents, network, lights[:, now_step() :], rng)
        try:
            recording = scene_recording(
                map_graph,
                agents,
                scene,
                network,
                lights,
                name=f"scene-s{seed:04d}-{map_graph.name}",
                metadata=_notes(seed, wanted, drawn),
            )
        except NoRouteError as error:
            return str(error)
        tag = recording.tags[0]
        if wanted.scenario_type is not None and tag.scenario_type != wanted.scenario_type:
            return f"type {tag.scenario_type}"
        errors = [one.message for one in scenario_findings(recording.scenario(tag)) if one.is_error]
        return _kind_of(errors[0]) if errors else recording

    def drawn(
        self,
        window: SceneWindow,
        lights: dict[int, LightStatus],
        wanted: SceneCondition,
        rng: np.random.Generator,
        kept: Scene | None = None,
    ) -> GeneratedScene | str:
        """A drawn scene that has the wanted facts and rarity, or what is missing.

        Args:
            window: Where.
            lights: Status by lane connector id.
            wanted: The condition; type and signal phase are not regarded.
            rng: For all draws.
            kept: A scene of the window whose agents stay, the ego included.
        """
        network, levels = self.checkpoint.network, self.checkpoint.levels
        canvas = canvas_for(network, window, lights, wanted)
        if kept is not None:
            canvas = replace(canvas, given=kept.others, ego=kept.agents.take(np.array([kept.ego])))
        found = []
        for _ in range(NUM_RANKED if wanted.rarity else 1):
            scene = draw_scene_with_counts(network, canvas, rng)
            others = scene.agents.take(np.arange(1, len(scene.agents)))
            facts = scene_facts(window, others, float(scene.agents.speeds_mps[0]))
            missing = _missing(facts, wanted, levels.level("density", facts), levels.level("speed", facts))
            if missing is None:
                found.append(scene)
        if not found:
            assert missing is not None
            return missing
        scenes = [Scene(window=window, agents=one.agents, ego=0, lights=lights) for one in found]
        if wanted.rarity is None:
            return GeneratedScene(scene=scenes[0], drawn=found[0], rarity=float("nan"))
        scores = np.array(
            [rarity_score(*one) for one in scene_log_likelihoods(network, [one.in_order() for one in scenes])]
        )
        quantiles = scores.argsort().argsort() / max(len(scores) - 1, 1)
        low, high = wanted.rarity
        inside = np.flatnonzero((quantiles >= low) & (quantiles <= high))
        # A band narrower than the steps of the ranking has the rank nearest to its middle.
        chosen = int(rng.choice(inside)) if len(inside) else int(np.abs(quantiles - (low + high) / 2).argmin())
        return GeneratedScene(scene=scenes[chosen], drawn=found[chosen], rarity=float(scores[chosen]))


def implied(wanted: SceneCondition) -> SceneCondition:
    """The condition with a speed of the ego that its scenario type needs, unless it gives one."""
    speed = _SPEED_OF_TYPE.get(wanted.scenario_type or "")
    return wanted if speed is None or wanted.ego_speed_mps is not None else replace(wanted, ego_speed_mps=speed)


def place_of_ego(map_graph: MapGraph, wanted: SceneCondition, rng: np.random.Generator) -> SceneWindow:
    """The window around a random place of an ego: on a lane, before a light or a turn where the condition needs one.

    Raises:
        ValueError: When the map has no such lane, or the place has too few or too many pieces.
    """
    lanes, lengths = map_graph.lanes, lane_lengths(map_graph)
    rows = np.flatnonzero((lengths >= MIN_LANE_M) & (np.arange(len(lanes)) < lanes.num_lanes))
    turn = _TURN_OF_TYPE.get(wanted.scenario_type or "")
    if wanted.signal:
        rows = np.array(
            [row for row in rows if lanes.has_traffic_lights[lanes.successors[row]].any()], dtype=np.int64
        )
    if turn is not None:
        rows = np.array(
            [row for row in rows if (lanes.turn_kinds[lanes.successors[row]] == turn).any()], dtype=np.int64
        )
    if not len(rows):
        need = "a traffic light" if wanted.signal else f"a {turn.name.lower()} turn" if turn is not None else "25 m"
        raise ValueError(f"no lane of map {map_graph.name} has {need} ahead")
    row = int(rng.choice(rows, p=lengths[rows] / lengths[rows].sum()))
    along = float(rng.uniform(5.0, lengths[row] - 5.0))
    if wanted.signal or turn is not None:
        along = max(5.0, float(lengths[row]) - float(rng.uniform(*BEFORE_LINE_M)))
    return scene_window(map_graph, row, along)


def _light_ahead(window: SceneWindow, light_ids: list[int]) -> int | None:
    """The connector with a light behind the lane of the centre; None without one."""
    lanes = window.map.lanes
    row = int(lane_pieces(window.map).lane_rows[window.pieces[window.center_piece]])
    found = [int(one) for one in lanes.ids[lanes.successors[row]].tolist() if int(one) in light_ids]
    return found[0] if found else None


def _missing(facts: SceneFacts, wanted: SceneCondition, density: str | None, speed: str | None) -> str | None:
    """What of a condition a scene does not have; None for nothing."""
    for name in COUNTS:
        count = getattr(wanted, name)
        if count is not None and getattr(facts, name) != count:
            return f"{getattr(facts, name)} {name}"
    for name, found in (("density", density), ("speed", speed)):
        level = getattr(wanted, name)
        if level is not None and found != level:
            return f"{found or 'no'} {name}"
    if wanted.ego_speed_mps is not None:
        low, high = wanted.ego_speed_mps
        if not low - 1e-6 <= facts.ego_speed_mps <= high + 1e-6:
            return f"an ego of {facts.ego_speed_mps:.1f} m/s"
    return None


def _notes(seed: int, wanted: SceneCondition, drawn: GeneratedScene) -> dict[str, str]:
    notes = {
        "origin": f"generated: learned scene of seed {seed}",
        "condition": wanted.text(),
        "redrawn": str(drawn.drawn.num_blocked + drawn.drawn.num_off_road),
        "dropped": str(drawn.drawn.num_dropped),
    }
    return notes if np.isnan(drawn.rarity) else {**notes, "rarity": f"{drawn.rarity:.4f}"}


def _kind_of(message: str) -> str:
    """The begin of a finding, without the numbers and names of one scene."""
    return re.sub(r"[0-9a-f]{16}|[-+]?\d+(\.\d+)?", "#", message)[:60]
