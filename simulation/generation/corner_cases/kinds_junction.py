"""Corner cases at junctions: somebody who runs a red light, a blocked junction, a left turn through traffic."""

import numpy as np

from driving.agents import LightStatus
from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from simulation.generation.corner_cases.chains import Chain
from simulation.generation.corner_cases.kinds_street import CAR_M
from simulation.generation.corner_cases.places import Crossing, Scout
from simulation.generation.corner_cases.staging import Approach, Staged, changed, following, steady

Lights = dict[int, list[tuple[float, LightStatus]]]


def red_light_runner(scout: Scout) -> Staged:
    """The ego has green; somebody comes from the side and does not stop."""
    event_s = scout.uniform(5.0, 7.5)
    place = scout.crossing(TurnKind.STRAIGHT, event_s, lambda here: _has_lights(scout.map, here), from_oncoming=False)
    approach = _approach(scout, place, event_s)
    other, own_m, their_m = _pick(scout, place)
    other_mps = scout.uniform(6.0, 11.0)
    # Between the arrivals of an ego that keeps its speed and of one that speeds up.
    meet_s = approach.time_s(own_m) + scout.uniform(-1.2, 0.3)
    size_m = CAR_M if scout.coin() else (8.0, 2.3)
    runners = [following(other, their_m, meet_s, steady(other_mps), size_m=size_m)]
    if scout.coin():
        behind_s = meet_s + scout.uniform(1.1, 1.8)
        runners.append(following(other, their_m, behind_s, steady(other_mps), size_m=CAR_M))
    drawn = {"event_s": event_s, "other_mps": other_mps}
    return Staged(approach=approach, cast=runners, lights=green_for(scout.map, place.chain), drawn=drawn)


def blocked_junction(scout: Scout) -> Staged:
    """The ego may go, but somebody from the side stands in the middle of the junction and leaves it late."""
    event_s = scout.uniform(5.0, 7.5)
    place = scout.crossing(TurnKind.STRAIGHT, event_s, lambda _here: True, from_oncoming=False)
    approach = _approach(scout, place, event_s)
    other, _, their_m = _pick(scout, place)
    clears_s = event_s + scout.uniform(0.5, 3.0)
    speed = changed(0.0, (clears_s - 1.5, 1.3, 8.0))
    cast = [following(other, their_m + scout.uniform(-1.5, 1.5), 0.0, speed, size_m=CAR_M)]
    cast.append(
        following(other, their_m + CAR_M[0] + 5.0, 0.0, changed(0.0, (clears_s - 3.0, 1.4, 8.0)), size_m=CAR_M)
    )
    drawn = {"event_s": event_s, "clears_s": clears_s}
    return Staged(approach=approach, cast=cast, lights=green_for(scout.map, place.chain), drawn=drawn)


def unprotected_left(scout: Scout) -> Staged:
    """The ego turns left through a stream of oncoming traffic that has one gap."""
    event_s = scout.uniform(5.0, 7.0)
    place = scout.crossing(TurnKind.LEFT, event_s, lambda _here: True, from_oncoming=True)
    approach = _approach(scout, place, event_s)
    other, own_m, their_m = _pick(scout, place)
    other_mps = scout.uniform(8.0, 12.0)
    meet_s = approach.time_s(own_m)
    cast, time_s = [], meet_s + scout.uniform(-0.4, 0.6)
    first = int(scout.rng.integers(1, 3))
    times_s = [time_s - k * scout.uniform(1.8, 2.6) for k in range(first, 0, -1)] + [time_s]
    for _ in range(int(scout.rng.integers(0, 3))):
        times_s.append(times_s[-1] + scout.uniform(1.8, 2.8))
    for passes_s in times_s:
        cast.append(following(other, their_m, passes_s, steady(other_mps), size_m=CAR_M))
    drawn = {"event_s": event_s, "other_mps": other_mps, "cars": float(len(cast))}
    return Staged(approach=approach, cast=cast, about=first, lights=green_for(scout.map, place.chain), drawn=drawn)


def green_for(map_graph: MapGraph, chain: Chain) -> Lights:
    """Lights at all junctions of a chain: green on its way and against it, red from the sides."""
    lanes = map_graph.lanes
    lights: Lights = {}
    for row in chain.rows:
        if not lanes.is_connector(row) or not lanes.has_traffic_lights[row]:
            continue
        heading = map_graph.centerline(row).headings[0]
        members = np.flatnonzero((lanes.intersection_ids == lanes.intersection_ids[row]) & lanes.has_traffic_lights)
        for member in members.tolist():
            apart = abs(float(wrap_angle(map_graph.centerline(member).headings[0] - heading)))
            has_green = apart < 0.7 or apart > np.pi - 0.7
            status = LightStatus.GREEN if has_green else LightStatus.RED
            lights[int(lanes.ids[member])] = [(-np.inf, status)]
    return lights


def _approach(scout: Scout, place: Crossing, event_s: float) -> Approach:
    return Approach(chain=place.chain, speed_mps=scout.speed_mps, event_m=place.enter_m, event_s=event_s)


def _pick(scout: Scout, place: Crossing) -> tuple[Chain, float, float]:
    return place.others[int(scout.rng.integers(len(place.others)))]


def _has_lights(map_graph: MapGraph, place: Crossing) -> bool:
    return bool(map_graph.lanes.has_traffic_lights[place.row])
