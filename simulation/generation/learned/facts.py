"""Facts of a scene that a condition can name, and the numbers in which the network gets a condition."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from simulation.generation.condition import COUNTS, LEVELS, SceneCondition
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.scales import SPEED_SCALE_MPS
from simulation.generation.learned.scene import Scene, SceneAgents
from simulation.generation.learned.vocabulary import AgentClass
from simulation.generation.learned.window import SceneWindow

COUNT_SCALE = 40.0


@dataclass(frozen=True, kw_only=True)
class SceneFacts:
    """What is measured in a scene; the ego is not counted."""

    vehicles: int
    parked: int
    bicycles: int
    pedestrians: int
    vehicles_per_100_m: float
    """Vehicles in lanes per 100 m of lane."""
    speed_share: float
    """Mean speed of the vehicles in lanes as a share of the speed limit; NaN without any."""
    ego_speed_mps: float


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Values that separate `LEVELS`: the terciles of the scenes of a training."""

    density: tuple[float, float]
    """Of `SceneFacts.vehicles_per_100_m`."""
    speed: tuple[float, float]
    """Of `SceneFacts.speed_share`."""

    @classmethod
    def of(cls, facts: list[SceneFacts]) -> "Levels":
        """Terciles of some scenes."""
        found = {}
        for name, field in (("density", "vehicles_per_100_m"), ("speed", "speed_share")):
            values = np.array([getattr(one, field) for one in facts])
            low, high = np.nanquantile(values, [1 / 3, 2 / 3])
            found[name] = (float(low), float(high))
        return cls(**found)

    def level(self, name: str, facts: SceneFacts) -> str | None:
        """The level of a scene's density or speed; None for the speed of no vehicle."""
        value = facts.vehicles_per_100_m if name == "density" else facts.speed_share
        return None if np.isnan(value) else LEVELS[int(np.searchsorted(getattr(self, name), value, side="right"))]


def scene_facts(window: SceneWindow, agents: SceneAgents, ego_speed_mps: float) -> SceneFacts:
    """The facts of a scene.

    Args:
        window: Pieces of the scene.
        agents: Without the ego.
        ego_speed_mps: Speed of the ego.
    """
    counts = np.bincount(agents.classes, minlength=len(AgentClass))
    is_vehicle = agents.classes == AgentClass.VEHICLE
    limits = lane_pieces(window.map).speed_limit_mps[window.pieces[agents.places[is_vehicle]]]
    shares = agents.speeds_mps[is_vehicle] / limits
    return SceneFacts(
        vehicles=int(counts[AgentClass.VEHICLE]),
        parked=int(counts[AgentClass.PARKED]),
        bicycles=int(counts[AgentClass.BICYCLE] + counts[AgentClass.OFF_LANE_BICYCLE]),
        pedestrians=int(counts[AgentClass.PEDESTRIAN]),
        vehicles_per_100_m=float(counts[AgentClass.VEHICLE] / window.lane_m * 100.0),
        speed_share=float(shares.mean()) if len(shares) else float("nan"),
        ego_speed_mps=ego_speed_mps,
    )


def facts_of(scene: Scene) -> SceneFacts:
    """What a condition can name of a scene with its ego."""
    return scene_facts(scene.window, scene.others, float(scene.agents.speeds_mps[scene.ego]))


def drawing_condition(condition: SceneCondition) -> SceneCondition:
    """The part of a condition that the network takes into account; the rest is measured afterwards."""
    names = (*COUNTS, "density", "speed", "ego_speed_mps")
    return SceneCondition(**{name: value for name, value in condition.given.items() if name in names})


def condition_vector(condition: SceneCondition) -> Float32[np.ndarray, "condition"]:
    """The condition as input of the network; zeros for what is not given."""
    found: list[float] = []
    for name in COUNTS:
        count = getattr(condition, name)
        found += [0.0, 0.0] if count is None else [1.0, count / COUNT_SCALE]
    for value in (condition.density, condition.speed):
        found += [float(value == level) for level in LEVELS]
    speed = condition.ego_speed_mps
    found += [0.0, 0.0] if speed is None else [1.0, float(np.mean(speed)) / SPEED_SCALE_MPS]
    return np.array(found, dtype=np.float32)


def count_targets(condition: SceneCondition) -> Float64[np.ndarray, "4"]:
    """Wanted counts in the order of `COUNTS`; NaN for none."""
    counts = [getattr(condition, name) for name in COUNTS]
    return np.array([np.nan if count is None else float(count) for count in counts])


def training_condition(rng: np.random.Generator, facts: SceneFacts, levels: Levels) -> SceneCondition:
    """A random part of a scene's facts as its condition, often nothing."""
    if rng.uniform() < 0.4:
        return SceneCondition()
    given: dict[str, object] = {}
    for name in COUNTS:
        if rng.uniform() < 0.25:
            given[name] = getattr(facts, name)
    for name in ("density", "speed"):
        if rng.uniform() < 0.35:
            given[name] = levels.level(name, facts)
    if rng.uniform() < 0.25:
        speed = min(facts.ego_speed_mps, 40.0)
        given["ego_speed_mps"] = (speed, speed)
    return SceneCondition(**given)  # type: ignore[arg-type]
