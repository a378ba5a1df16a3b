"""Boxes and usual speeds of the agents that words name, and the words for tracked boxes."""

from dataclasses import replace

from driving.agents import AgentKind
from driving.importers.tagging import LONG_M
from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.text.vocabulary import ActorKind

BUS_LENGTH_M = 10.75
"""Vehicles from this length on are buses, those longer than `LONG_M` trucks."""
MOTORCYCLE_LENGTH_M = 2.0
"""Two-wheelers from this length on are motorcycles; nuPlan counts them as bicycles."""
BOXES: dict[ActorKind, tuple[AgentKind, tuple[float, float], tuple[float, float]]] = {
    ActorKind.CAR: (AgentKind.VEHICLE, (4.2, 5.0), (1.8, 2.0)),
    ActorKind.TRUCK: (AgentKind.VEHICLE, (8.3, 10.4), (2.35, 2.5)),
    ActorKind.BUS: (AgentKind.VEHICLE, (11.0, 12.0), (2.5, 2.55)),
    ActorKind.MOTORCYCLE: (AgentKind.BICYCLE, (2.1, 2.3), (0.7, 0.85)),
    ActorKind.CYCLIST: (AgentKind.BICYCLE, (1.65, 1.9), (0.6, 0.7)),
    ActorKind.PEDESTRIAN: (AgentKind.PEDESTRIAN, (0.4, 0.6), (0.5, 0.65)),
    ActorKind.CONE: (AgentKind.TRAFFIC_CONE, (0.4, 0.4), (0.4, 0.4)),
    ActorKind.BARRIER: (AgentKind.BARRIER, (0.5, 0.5), (1.9, 2.1)),
}
"""nuPlan's kind, and ranges of length and width, as the towns draw them."""


class Box:
    """Kind and size of one agent."""

    def __init__(self, search: SiteSearch, kind: ActorKind) -> None:
        """Draw a size."""
        self.kind, lengths, widths = BOXES[kind]
        self.size_m = (search.uniform(*lengths), search.uniform(*widths))

    @property
    def half_m(self) -> float:
        """Half of the length."""
        return self.size_m[0] / 2


def kind_of(kind: int, length_m: float) -> ActorKind | None:
    """The kind in words of a tracked box; None for objects without a word."""
    if kind == AgentKind.VEHICLE:
        return ActorKind.BUS if length_m >= BUS_LENGTH_M else ActorKind.TRUCK if length_m > LONG_M else ActorKind.CAR
    if kind == AgentKind.BICYCLE:
        return ActorKind.MOTORCYCLE if length_m >= MOTORCYCLE_LENGTH_M else ActorKind.CYCLIST
    return {
        AgentKind.PEDESTRIAN: ActorKind.PEDESTRIAN,
        AgentKind.TRAFFIC_CONE: ActorKind.CONE,
        AgentKind.BARRIER: ActorKind.BARRIER,
    }.get(AgentKind(kind))


def speed_range_mps(kind: ActorKind, lane_mps: float) -> tuple[float, float]:
    """Usual speeds of a kind on a free road, where traffic has a speed of `lane_mps`."""
    if kind == ActorKind.PEDESTRIAN:
        return 1.0, 1.9
    if kind == ActorKind.CYCLIST:
        return 2.5, 5.0
    return 0.75 * lane_mps, 0.95 * lane_mps


def with_box(track: ScriptedTrack, box: Box) -> ScriptedTrack:
    """The track with the kind and the size of a box."""
    return replace(track, kind=box.kind, size_m=box.size_m)
