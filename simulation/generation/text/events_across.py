"""Events across the ego's path: people that cross the road, and vehicles that cross, turn or run a red light."""

from driving.agents import AgentKind
from driving.map import TurnKind
from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.sites import CrossingChain, NoSiteError
from simulation.generation.corner_cases.staging import constant_speed, track_across, track_along
from simulation.generation.text.actors import Box, speed_range_mps, with_box
from simulation.generation.text.condition import EventCondition
from simulation.generation.text.place import turns_of
from simulation.generation.text.stage import GAP_BETWEEN_M, StagedEvent, Staging
from simulation.generation.text.vocabulary import ActorKind, Relation

CURVE_MPS = (4.5, 6.5)
"""Speed of vehicles that turn at a junction."""


def crossing(staging: Staging, event: EventCondition) -> StagedEvent:
    """Agents cross the ego's path: people on foot or on two wheels anywhere, vehicles at a junction."""
    place = staging.place
    if Box(place.search, event.kind).kind == AgentKind.VEHICLE:
        arm = event.relation or (Relation.RIGHT if place.search.coin() else Relation.LEFT)
        speed_mps = event.speed_mps or staging.uniform(5.0, 8.0)
        return _through_junction(staging, event, place.movements(arm, TurnKind.STRAIGHT), speed_mps)
    side = staging.side_of(event)
    speed_mps = event.speed_mps or staging.uniform(*speed_range_mps(event.kind, staging.speed_mps))
    along_m, arrival_s = _where_to_cross(staging, event, speed_mps)
    # A second event crosses a little later and, without a crosswalk, a little farther away.
    arrival_s += staging.num_crossings * staging.uniform(0.8, 2.5)
    along_m += staging.num_crossings * (staging.uniform(3.0, 6.0) if place.crosswalk_m is None else 1.0)
    staging.num_crossings += 1
    near_m = 8.0 if event.kind == ActorKind.PEDESTRIAN else 12.0
    begin_m, end_m = place.chain.edge_m(along_m, side) + near_m, place.chain.edge_m(along_m, -side) + 6.0
    agents: list[ScriptedTrack] = []
    for number in range(event.count):
        box = Box(place.search, event.kind)
        agents.append(
            track_across(
                place.chain,
                along_m + (number % 3 - (min(event.count, 3) - 1) / 2) * 1.1,
                (side * begin_m, -side * end_m),
                constant_speed(speed_mps * staging.uniform(0.95, 1.0) if event.speed_mps is None else speed_mps),
                arrival_s + number * staging.uniform(0.4, 0.8),
                kind=box.kind,
                size_m=box.size_m,
                skew_rad=staging.uniform(-0.1, 0.1),
            )
        )
    return StagedEvent(agents=agents, needs_reaction=staging.leader is None and staging.red_until_s is None)


def _where_to_cross(staging: Staging, event: EventCondition, speed_mps: float) -> tuple[float, float]:
    """Arc length of a crossing, and the time of the first agent there."""
    place, leader = staging.place, staging.leader
    enters_s = place.half_lane_m() / speed_mps
    if (
        leader is not None
        and leader.stop_front_m is not None
        and leader.stop_s is not None
        and event.distance_m is None
    ):
        # Before an agent that slows down, so that both happen at the same time.
        arrival_s = leader.stop_s + staging.uniform(-0.5, 1.0) if event.time_s is None else event.time_s + enters_s
        return leader.stop_front_m + staging.uniform(2.5, 7.0), arrival_s
    along_m = place.event_m if place.crosswalk_m is None else place.crosswalk_m
    if event.distance_m is not None:
        along_m = place.ego.front_m(0.0) + event.distance_m
    arrival_s = place.ego.time_s(along_m) + staging.uniform(-0.8, 0.4)
    if staging.red_until_s is not None:
        arrival_s = staging.uniform(0.6, 0.9) * staging.red_until_s
    if event.time_s is not None:
        arrival_s = event.time_s + enters_s
        if event.distance_m is None and place.crosswalk_m is None:
            along_m = place.ego.front_m(arrival_s) + staging.uniform(-2.0, 4.0)
    return along_m, arrival_s


def _through_junction(
    staging: Staging, event: EventCondition, movements: list[CrossingChain], speed_mps: float
) -> StagedEvent:
    """Vehicles on a movement that meets the ego's, the first of them at the same time as the ego."""
    place = staging.place
    if not movements:
        raise NoSiteError(f"Map {place.map.name} has no such movement for a {event.kind} at a junction.")
    other, ego_m, own_m = movements[int(place.search.rng.integers(len(movements)))]
    time_s = place.ego.time_s(ego_m) + staging.uniform(-1.0, 0.4)
    if staging.red_until_s is not None:
        time_s = staging.uniform(0.35, 0.75) * staging.red_until_s
    if event.time_s is not None:
        time_s = event.time_s
    agents: list[ScriptedTrack] = []
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        agents.append(with_box(track_along(other, own_m, time_s, constant_speed(speed_mps), size_m=box.size_m), box))
        time_s += (box.size_m[0] + GAP_BETWEEN_M) / speed_mps + staging.uniform(0.6, 1.2)
    return StagedEvent(agents=agents, needs_reaction=staging.red_until_s is None and staging.leader is None)


def running_red(staging: Staging, event: EventCondition) -> StagedEvent:
    """Agents from the side that cross the junction on red, while the ego has green."""
    arm = event.relation or (Relation.RIGHT if staging.place.search.coin() else Relation.LEFT)
    speed_mps = event.speed_mps or staging.uniform(6.0, 10.0 if event.kind != ActorKind.CYCLIST else 6.5)
    return _through_junction(staging, event, staging.place.movements(arm, TurnKind.STRAIGHT), speed_mps)


def turning(staging: Staging, event: EventCondition) -> StagedEvent:
    """Agents that turn left or right at the junction and meet the ego's movement."""
    speed_mps = event.speed_mps or staging.uniform(*CURVE_MPS)
    return _through_junction(staging, event, turns_of(staging.place, event.first, event.relation), speed_mps)


def oncoming_at_turn(staging: Staging, event: EventCondition) -> StagedEvent:
    """Oncoming vehicles that go straight and that the ego's left turn crosses."""
    movements = staging.place.movements(Relation.ONCOMING, TurnKind.STRAIGHT)
    return _through_junction(staging, event, movements, event.speed_mps or staging.uniform(7.0, 10.0))
