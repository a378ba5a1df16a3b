"""Corner cases at junctions: a red light violation, a blocked junction, a left turn through traffic."""

import numpy as np

from driving.agents import LightStatus
from driving.geometry import wrap_angle
from driving.map import MapGraph, TurnKind
from simulation.generation.corner_cases.chains import LaneChain
from simulation.generation.corner_cases.kind_parts import CAR_M
from simulation.generation.corner_cases.sites import CrossingChain, JunctionSite, SiteSearch
from simulation.generation.corner_cases.staging import (
    NominalEgo,
    StagedCase,
    changing_speed,
    constant_speed,
    track_along,
)

LightPhases = dict[int, list[tuple[float, LightStatus]]]


def red_light_runner(search: SiteSearch) -> StagedCase:
    """The ego has green; a vehicle from the side runs the red light."""
    event_s = search.uniform(5.0, 7.5)
    has_lights = search.map.lanes.has_traffic_lights
    site = search.junction_site(
        TurnKind.STRAIGHT, event_s, from_oncoming=False, accept=lambda here: bool(has_lights[here.row])
    )
    ego = _ego_at(search, site, event_s)
    other, ego_m, own_m = _random_crossing(search, site)
    other_mps = search.uniform(6.0, 11.0)
    # Between the arrival of an ego that keeps its speed and that of one that accelerates.
    meet_s = ego.time_s(ego_m) + search.uniform(-1.2, 0.3)
    size_m = CAR_M if search.coin() else (8.0, 2.3)
    runners = [track_along(other, own_m, meet_s, constant_speed(other_mps), size_m=size_m)]
    if search.coin():
        behind_s = meet_s + search.uniform(1.1, 1.8)
        runners.append(track_along(other, own_m, behind_s, constant_speed(other_mps), size_m=CAR_M))
    drawn = {"event_s": event_s, "other_mps": other_mps}
    return StagedCase(ego=ego, agents=runners, lights=green_for(search.map, site.chain), drawn=drawn)


def blocked_junction(search: SiteSearch) -> StagedCase:
    """The ego has green, but a vehicle from the side stands in the junction and clears it late."""
    event_s = search.uniform(5.0, 7.5)
    site = search.junction_site(TurnKind.STRAIGHT, event_s, from_oncoming=False)
    other, _, own_m = _random_crossing(search, site)
    clears_s = event_s + search.uniform(0.5, 3.0)
    first_m = own_m + search.uniform(-1.5, 1.5)
    first = track_along(other, first_m, 0.0, changing_speed(0.0, (clears_s - 1.5, 1.3, 8.0)), size_m=CAR_M)
    second_m = own_m + CAR_M[0] + 5.0
    second = track_along(other, second_m, 0.0, changing_speed(0.0, (clears_s - 3.0, 1.4, 8.0)), size_m=CAR_M)
    return StagedCase(
        ego=_ego_at(search, site, event_s),
        agents=[first, second],
        lights=green_for(search.map, site.chain),
        drawn={"event_s": event_s, "clears_s": clears_s},
    )


def unprotected_left(search: SiteSearch) -> StagedCase:
    """The ego turns left through oncoming traffic that has one gap."""
    event_s = search.uniform(5.0, 7.0)
    site = search.junction_site(TurnKind.LEFT, event_s, from_oncoming=True)
    ego = _ego_at(search, site, event_s)
    other, ego_m, own_m = _random_crossing(search, site)
    other_mps = search.uniform(8.0, 12.0)
    time_s = ego.time_s(ego_m) + search.uniform(-0.4, 0.6)
    first = int(search.rng.integers(1, 3))
    times_s = [time_s - k * search.uniform(1.8, 2.6) for k in range(first, 0, -1)] + [time_s]
    for _ in range(int(search.rng.integers(0, 3))):
        times_s.append(times_s[-1] + search.uniform(1.8, 2.8))
    agents = [track_along(other, own_m, passes_s, constant_speed(other_mps), size_m=CAR_M) for passes_s in times_s]
    drawn = {"event_s": event_s, "other_mps": other_mps, "cars": float(len(agents))}
    return StagedCase(ego=ego, agents=agents, about=first, lights=green_for(search.map, site.chain), drawn=drawn)


def green_for(map_graph: MapGraph, chain: LaneChain) -> LightPhases:
    """Lights at all junctions of a chain: green in its direction and the opposite one, red from the sides."""
    lanes = map_graph.lanes
    lights: LightPhases = {}
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


def _ego_at(search: SiteSearch, site: JunctionSite, event_s: float) -> NominalEgo:
    return NominalEgo(chain=site.chain, speed_mps=search.speed_mps, event_m=site.enter_m, event_s=event_s)


def _random_crossing(search: SiteSearch, site: JunctionSite) -> CrossingChain:
    return site.crossings[int(search.rng.integers(len(site.crossings)))]
