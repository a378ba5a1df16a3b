"""Corner cases between lanes: leaders that brake, cut in or cut out, lane changes into traffic, a ramp."""

import numpy as np

from simulation.generation.corner_cases.chains import LateralShift
from simulation.generation.corner_cases.kind_parts import (
    CAR_M,
    HALF_CAR_M,
    Manoeuvre,
    broken_down_car,
    change_lane_before,
    ego_at,
    lane_offset_m,
    pass_around,
)
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.corner_cases.staging import (
    NominalEgo,
    StagedCase,
    changing_speed,
    constant_speed,
    track_along,
)


def hard_braking_leader(search: SiteSearch) -> StagedCase:
    """The leader brakes hard without a visible reason and drives on later or not at all."""
    event_s = search.uniform(4.0, 6.0)
    site = search.lane_site(event_s)
    ego = ego_at(search, site, event_s)
    gap_s, brake_mps2 = search.uniform(1.0, 2.2), search.uniform(3.5, 6.0)
    slow_mps = search.uniform(0.0, 3.0) if search.coin() else 0.0
    begin_s = search.uniform(2.0, 4.0)
    changes = [(begin_s, brake_mps2, slow_mps)]
    if search.coin(0.6):
        changes.append((begin_s + search.speed_mps / brake_mps2 + search.uniform(2.0, 4.0), 1.3, search.speed_mps))
    along_m = ego.front_m(0.0) + gap_s * search.speed_mps + HALF_CAR_M
    leader = track_along(site.chain, along_m, 0.0, changing_speed(search.speed_mps, *changes), size_m=CAR_M)
    drawn = {"gap_s": gap_s, "brake_mps2": brake_mps2, "begin_s": begin_s, "slow_mps": slow_mps}
    return StagedCase(ego=ego, agents=[leader], drawn=drawn)


def cut_in(search: SiteSearch) -> StagedCase:
    """A slower car from the next lane changes into the ego's lane closely before the ego."""
    event_s = search.uniform(3.5, 6.0)
    site = search.lane_site(event_s, 60.0, lambda here: here.left is not None or here.right is not None)
    neighbors = [chain for chain in (site.left, site.right) if chain is not None]
    beside = neighbors[int(search.rng.integers(len(neighbors)))]
    offset_m = lane_offset_m(site, beside)
    share, gap_m, change_s = search.uniform(0.55, 0.85), search.uniform(3.0, 9.0), search.uniform(2.2, 3.6)
    slow_mps = search.speed_mps * share
    # At the event half of the lane change is done and the gap between the car and the nominal ego is `gap_m`.
    path_m = beside.project(site.point(site.event_m + gap_m + HALF_CAR_M))[0]
    length_m = change_s * slow_mps
    shift = LateralShift(begin_m=path_m - length_m / 2, length_m=length_m, left_m=-offset_m)
    car = track_along(beside, path_m, event_s, constant_speed(slow_mps), shifts=(shift,), size_m=CAR_M)
    drawn = {"event_s": event_s, "gap_m": gap_m, "other_mps": slow_mps, "change_s": change_s}
    return StagedCase(ego=ego_at(search, site, event_s), agents=[car], drawn=drawn)


def cut_out(search: SiteSearch) -> StagedCase:
    """The leader changes to the next lane late and reveals a standing car."""
    event_s = search.uniform(6.5, 8.5)
    site = search.lane_site(event_s, 50.0, lambda here: here.left is not None)
    assert site.left is not None
    ego = ego_at(search, site, event_s)
    left_m = lane_offset_m(site, site.left)
    gap_s, clearance_m = search.uniform(1.0, 1.7), search.uniform(3.0, 8.0)
    length_m = search.uniform(1.8, 2.4) * search.speed_mps
    end_m = site.event_m - clearance_m
    shift = LateralShift(begin_m=end_m - length_m, length_m=length_m, left_m=left_m)
    along_m = ego.front_m(0.0) + gap_s * search.speed_mps + HALF_CAR_M
    speed = constant_speed(search.speed_mps)
    leader = track_along(site.chain, along_m, 0.0, speed, shifts=(shift,), size_m=CAR_M)
    standing = broken_down_car(search, site, search.uniform(-0.2, 0.2))
    manoeuvres = change_lane_before(site.event_m - 4.0, left_m, search.speed_mps)
    manoeuvres += pass_around(site.event_m, site.event_m + CAR_M[0] + 4.0, (left_m,), search.speed_mps)
    drawn = {"event_s": event_s, "gap_s": gap_s, "clearance_m": clearance_m}
    return StagedCase(ego=ego, agents=[*standing, leader], manoeuvres=[(), *manoeuvres], about=2, drawn=drawn)


def lane_change_light(search: SiteSearch) -> StagedCase:
    """The route requires a lane change into light traffic."""
    return _lane_change(search, headways_s=(4.0, 7.0), cars=2)


def lane_change_medium(search: SiteSearch) -> StagedCase:
    """The route requires a lane change into medium traffic."""
    return _lane_change(search, headways_s=(2.8, 4.2), cars=4)


def lane_change_dense(search: SiteSearch) -> StagedCase:
    """The route requires a lane change into dense traffic: the gaps are short, one of them a little longer."""
    return _lane_change(search, headways_s=(1.7, 2.3), cars=7)


def _lane_change(search: SiteSearch, headways_s: tuple[float, float], cars: int) -> StagedCase:
    event_s = search.uniform(6.5, 9.0)
    target, start_left_m, enter_m = search.turn_site(event_s)
    ego = NominalEgo(
        chain=target, speed_mps=search.speed_mps, event_m=enter_m, event_s=event_s, start_left_m=start_left_m
    )
    if not ego.starts_on_road:
        raise NoSiteError(f"Map {search.map.name} has no road long enough for a lane change.")
    traffic_mps = search.speed_mps * search.uniform(0.75, 0.95)
    middle = int(search.rng.integers(cars))
    gaps_m = [search.uniform(*headways_s) * traffic_mps + CAR_M[0] for _ in range(cars)]
    gaps_m[middle] += search.uniform(4.0, 8.0)
    # At iteration 0 the ego is beside the traffic.
    start_m = float(ego.at(0.0)[0])
    along_m = start_m + sum(gaps_m[: max(1, cars // 2)]) + search.uniform(-5.0, 5.0)
    agents = []
    for gap_m in gaps_m:
        agents.append(track_along(target, along_m, 0.0, constant_speed(traffic_mps), size_m=CAR_M))
        along_m -= gap_m
    manoeuvres: list[Manoeuvre] = []
    for begin_m in np.linspace(start_m + 2.0, enter_m - 35.0, 7).tolist():
        for duration_s in (2.3, 3.5):
            length_m = min(max(18.0, duration_s * search.speed_mps), enter_m - 6.0 - begin_m)
            if length_m >= 18.0:
                manoeuvres.append((LateralShift(begin_m=begin_m, length_m=length_m, left_m=-start_left_m),))
    return StagedCase(
        ego=ego,
        agents=agents,
        manoeuvres=[(LateralShift(begin_m=enter_m - 5.0, length_m=5.0, left_m=0.0),), *manoeuvres],
        nominal_may_pass=True,
        may_speed_up=True,
        about=middle,
        goal_m=start_m + 0.5 * (enter_m - start_m),
        drawn={"event_s": event_s, "traffic_mps": traffic_mps, "longest_gap_s": gaps_m[middle] / traffic_mps},
    )


def ramp_merge(search: SiteSearch) -> StagedCase:
    """The ego's ramp joins a road with traffic; one of the vehicles is at the merge point at the same time."""
    event_s = search.uniform(7.0, 9.0)
    site = search.merge_site(event_s)
    ego = NominalEgo(chain=site.chain, speed_mps=search.speed_mps, event_m=site.joined_m, event_s=event_s)
    traffic_mps = search.speed_mps * search.uniform(0.95, 1.25)
    agents = []
    along_m = site.main_m + search.uniform(-2.0, 6.0)
    gaps_m = [search.uniform(1.3, 2.4) * traffic_mps + CAR_M[0] for _ in range(5)]
    along_m += gaps_m[0] + gaps_m[1]
    for gap_m in gaps_m:
        agents.append(track_along(site.main, along_m, event_s, constant_speed(traffic_mps), size_m=CAR_M))
        along_m -= gap_m
    drawn = {"event_s": event_s, "traffic_mps": traffic_mps}
    return StagedCase(ego=ego, agents=agents, about=2, may_speed_up=True, drawn=drawn)
