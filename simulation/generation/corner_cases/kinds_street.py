"""Corner cases on a stretch of road: crossing pedestrians and cyclists, obstacles, oncoming vehicles."""

from dataclasses import replace

import numpy as np

from driving.agents import AgentKind
from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.chains import LateralShift
from simulation.generation.corner_cases.kind_parts import (
    CAR_M,
    broken_down_car,
    change_lane_before,
    ego_at,
    lane_offset_m,
    pass_around,
)
from simulation.generation.corner_cases.sites import LaneSite, SiteSearch
from simulation.generation.corner_cases.staging import (
    StagedCase,
    constant_speed,
    object_beside,
    track_across,
    track_along,
)

EGO_HALF_WIDTH_M = 1.15
SIDE_GAP_M = 0.7
"""Lateral distance to an obstacle that is passed."""


def pedestrian_between_cars(search: SiteSearch) -> StagedCase:
    """A pedestrian steps out between cars that are parked on the right and is visible only shortly before."""
    event_s = search.uniform(5.0, 8.0)
    site = search.lane_site(event_s, 35.0, lambda here: here.right_edge_m - here.half_lane_m > 2.0)
    kerb_m = -site.right_edge_m
    gap_m, walk_mps = search.uniform(1.6, 2.4), search.uniform(1.1, 1.9)
    depth_m = search.uniform(0.3, 0.5)
    parked = _parked_row(search, site, kerb_m + CAR_M[1] / 2 + 0.15, gap_m)
    walker = track_across(
        site.chain,
        site.event_m,
        (kerb_m - 1.2, site.left_edge_m + 3.0),
        constant_speed(walk_mps),
        event_s + search.uniform(-0.9, 0.5),
        kind=AgentKind.PEDESTRIAN,
        size_m=(depth_m, 0.6),
    )
    # The cars hide the pedestrian until the head is visible, about half a metre before the inner side of the cars.
    hidden_m = -kerb_m - CAR_M[1] - 0.15 + search.uniform(0.2, 0.9)
    seen_s = event_s - hidden_m / walk_mps
    walker = replace(walker, seen_s=(seen_s, walker.seen_s[1]))
    drawn = {"walk_mps": walk_mps, "seen_before_s": event_s - seen_s, "event_s": event_s}
    return StagedCase(ego=ego_at(search, site, event_s), agents=[walker, *parked], drawn=drawn)


def _parked_row(search: SiteSearch, site: LaneSite, left_m: float, gap_m: float) -> list[ScriptedTrack]:
    """Cars parked before and behind a gap at the event."""
    cars: list[ScriptedTrack] = []
    for side in (-1.0, 1.0):
        along_m = site.event_m + side * (gap_m / 2 + CAR_M[0] / 2)
        for _ in range(3):
            if search.coin(0.9) or len(cars) in (0, 3):
                cars.append(object_beside(site.chain, along_m, left_m, size_m=CAR_M))
            along_m += side * (CAR_M[0] + search.uniform(0.8, 1.6))
    return cars


def cyclist_crossing(search: SiteSearch) -> StagedCase:
    """A cyclist crosses the road without waiting."""
    event_s = search.uniform(5.0, 8.0)
    site = search.lane_site(event_s)
    speed_mps, skew_rad = search.uniform(2.0, 5.0), search.uniform(-0.3, 0.3)
    from_right = search.coin()
    right_m, left_m = -site.right_edge_m - 12.0, site.left_edge_m + 8.0
    cyclist = track_across(
        site.chain,
        site.event_m,
        (right_m, left_m) if from_right else (left_m, right_m),
        constant_speed(speed_mps),
        event_s + search.uniform(-0.9, 0.4),
        kind=AgentKind.BICYCLE,
        size_m=(1.8, 0.6),
        skew_rad=skew_rad,
    )
    drawn = {"cyclist_mps": speed_mps, "event_s": event_s, "from_right": float(from_right)}
    return StagedCase(ego=ego_at(search, site, event_s), agents=[cyclist], drawn=drawn)


def broken_down_in_lane(search: SiteSearch) -> StagedCase:
    """A car stands in the lane; the ego has to change to the next lane, which is not empty."""
    event_s = search.uniform(6.0, 8.0)
    site = search.lane_site(event_s, 50.0, lambda here: here.left is not None)
    assert site.left is not None
    ego = ego_at(search, site, event_s)
    left_m = lane_offset_m(site, site.left)
    agents = broken_down_car(search, site, search.uniform(-0.2, 0.2))
    traffic_mps = search.speed_mps * search.uniform(0.8, 1.15)
    blocked_s = event_s - search.uniform(1.5, 3.5)
    beside_m = site.left.project(site.point(float(ego.at(blocked_s)[0])))[0] + search.uniform(-6.0, 6.0)
    agents.append(track_along(site.left, beside_m, blocked_s, constant_speed(traffic_mps), size_m=CAR_M))
    end_m = site.event_m + CAR_M[0]
    manoeuvres = change_lane_before(site.event_m - 4.0, left_m, search.speed_mps)
    manoeuvres += pass_around(site.event_m, end_m + 4.0, (left_m,), search.speed_mps)
    return StagedCase(
        ego=ego,
        agents=agents,
        manoeuvres=[(), *manoeuvres],
        goal_m=end_m + 5.0,
        drawn={"event_s": event_s, "traffic_mps": traffic_mps},
    )


def broken_down_half_in_lane(search: SiteSearch) -> StagedCase:
    """A car stands with half its width in the lane; the ego has to move aside, against oncoming traffic."""
    event_s = search.uniform(5.5, 8.0)

    def accept(here: LaneSite) -> bool:
        return here.left_edge_m > here.half_lane_m + 2.5 and (here.oncoming is not None or here.left is not None)

    site = search.lane_site(event_s, accept=accept)
    # Offsets of the car's inner side, and of an ego that passes with a gap of SIDE_GAP_M and stays in its lane.
    inner_m = -search.uniform(0.35, 0.75)
    agents = broken_down_car(search, site, inner_m - CAR_M[1] / 2)
    least_m = inner_m + SIDE_GAP_M + EGO_HALF_WIDTH_M
    if site.oncoming is not None:
        other_mps = search.speed_mps * search.uniform(0.7, 1.0)
        meet_m = site.oncoming.project(site.point())[0]
        meet_s = event_s + search.uniform(-0.8, 0.8)
        agents.append(track_along(site.oncoming, meet_m, meet_s, constant_speed(other_mps), size_m=(5.0, 2.1)))
    lefts_m = (least_m - 0.3, least_m, min(least_m + 0.3, site.half_lane_m - 0.1))
    end_m = site.event_m + CAR_M[0]
    return StagedCase(
        ego=ego_at(search, site, event_s),
        agents=agents,
        manoeuvres=[(), *pass_around(site.event_m, end_m, lefts_m, search.speed_mps)],
        goal_m=end_m + 5.0,
        drawn={"event_s": event_s, "in_lane_m": site.half_lane_m + inner_m},
    )


def construction(search: SiteSearch) -> StagedCase:
    """Cones and barriers close the lane; the next lane is open."""
    event_s = search.uniform(5.5, 8.0)
    closed_m = search.uniform(15.0, 35.0)
    site = search.lane_site(event_s, 30.0 + closed_m, lambda here: here.left is not None)
    assert site.left is not None
    chain, half_m = site.chain, site.half_lane_m
    taper_m = search.uniform(12.0, 20.0)
    agents = [object_beside(chain, site.event_m - taper_m - 4.0, 0.4 - half_m, kind=AgentKind.CZONE_SIGN)]
    for share in np.linspace(0.0, 1.0, 7).tolist():
        left_m = (share - 1.0) * half_m + share * (half_m - 0.7)
        along_m = site.event_m - taper_m * (1.0 - share)
        agents.append(object_beside(chain, along_m, left_m, kind=AgentKind.TRAFFIC_CONE))
    for along_m in np.arange(site.event_m + 2.0, site.event_m + closed_m, 2.6).tolist():
        agents.append(object_beside(chain, along_m, half_m - 0.6, kind=AgentKind.BARRIER))
    traffic_mps = search.speed_mps * search.uniform(0.85, 1.1)
    beside_m = site.left.project(site.point())[0] - search.uniform(-0.5, 1.5) * search.speed_mps
    agents.append(track_along(site.left, beside_m, event_s - 2.0, constant_speed(traffic_mps), size_m=CAR_M))
    end_m = site.event_m + closed_m
    offset_m = lane_offset_m(site, site.left)
    manoeuvres = change_lane_before(site.event_m - taper_m, offset_m, search.speed_mps)
    manoeuvres += pass_around(site.event_m - taper_m, end_m, (offset_m,), search.speed_mps)
    return StagedCase(
        ego=ego_at(search, site, event_s),
        agents=agents,
        manoeuvres=[(), *manoeuvres],
        goal_m=end_m + 3.0,
        drawn={"event_s": event_s, "closed_m": closed_m},
    )


def oncoming_in_lane(search: SiteSearch) -> StagedCase:
    """An oncoming vehicle overtakes a standing truck and returns from the ego's lane too late."""
    event_s = search.uniform(5.0, 7.5)

    def accept(here: LaneSite) -> bool:
        return here.oncoming is not None and here.right_edge_m - here.half_lane_m > 0.3

    site = search.lane_site(event_s, 60.0, accept)
    oncoming = site.oncoming
    assert oncoming is not None
    meet_m = oncoming.project(site.point())[0]
    apart_m = -site.chain.project(oncoming.beside(meet_m)[:2])[1]
    other_mps = search.speed_mps * search.uniform(0.55, 0.85)
    # The vehicle is back in its lane a little after the nominal ego passes.
    late_m, move_m = search.uniform(8.0, 22.0), max(16.0, 2.2 * other_mps)
    out_m = move_m + search.uniform(16.0, 28.0)
    shifts = (
        LateralShift(begin_m=meet_m + late_m - out_m - move_m, length_m=move_m, left_m=-apart_m),
        LateralShift(begin_m=meet_m + late_m, length_m=move_m, left_m=apart_m),
    )
    overtaker = track_along(oncoming, meet_m, event_s, constant_speed(other_mps), shifts=shifts, size_m=CAR_M)
    truck_m = meet_m + late_m - out_m + search.uniform(2.0, 6.0) + 4.0
    truck = object_beside(oncoming, truck_m, search.uniform(-0.8, -0.3), size_m=(8.0, 2.4))
    room_m = site.right_edge_m - EGO_HALF_WIDTH_M - 0.25
    rights_m = tuple(-share * room_m for share in (0.5, 1.0) if room_m > 0.3)
    manoeuvres = pass_around(site.event_m - 12.0, site.event_m + 12.0, rights_m, search.speed_mps)
    return StagedCase(
        ego=ego_at(search, site, event_s),
        agents=[overtaker, truck],
        manoeuvres=[(), *manoeuvres],
        drawn={"event_s": event_s, "other_mps": other_mps},
    )
