"""Corner cases between lanes: leaders that brake, cut in or make way for worse, and gaps that have to be found."""

import numpy as np

from driving.map import TurnKind
from simulation.generation.corner_cases.chains import Chain, Shift
from simulation.generation.corner_cases.kinds_street import (
    CAR_M,
    _approach,
    _broken_down,
    _offset,
    around,
    aside_for_good,
)
from simulation.generation.corner_cases.places import NoPlaceError, Scout
from simulation.generation.corner_cases.staging import Approach, Staged, changed, following, steady

HALF_CAR_M = CAR_M[0] / 2


def hard_braking_leader(scout: Scout) -> Staged:
    """The car ahead brakes hard for no reason that one could see, and drives on later or not at all."""
    event_s = scout.uniform(4.0, 6.0)
    place = scout.lane_place(lambda _here: True, event_s)
    approach = _approach(scout, place, event_s)
    gap_s, brake_mps2 = scout.uniform(1.0, 2.2), scout.uniform(3.5, 6.0)
    slow_mps = scout.uniform(0.0, 3.0) if scout.coin() else 0.0
    begin_s = scout.uniform(2.0, 4.0)
    changes = [(begin_s, brake_mps2, slow_mps)]
    if scout.coin(0.6):
        changes.append((begin_s + scout.speed_mps / brake_mps2 + scout.uniform(2.0, 4.0), 1.3, scout.speed_mps))
    speed = changed(scout.speed_mps, *changes)
    along_m = approach.front_m(0.0) + gap_s * scout.speed_mps + HALF_CAR_M
    leader = following(place.chain, along_m, 0.0, speed, size_m=CAR_M)
    drawn = {"gap_s": gap_s, "brake_mps2": brake_mps2, "begin_s": begin_s, "slow_mps": slow_mps}
    return Staged(approach=approach, cast=[leader], drawn=drawn)


def cut_in(scout: Scout) -> Staged:
    """A slower car from the next lane moves in closely before the ego."""
    event_s = scout.uniform(3.5, 6.0)
    place = scout.lane_place(lambda here: here.left is not None or here.right is not None, event_s, stretch_m=60.0)
    approach = _approach(scout, place, event_s)
    beside = _either(scout, place.left, place.right)
    aside_m = _offset(place, beside)
    share, gap_m, change_s = scout.uniform(0.55, 0.85), scout.uniform(3.0, 9.0), scout.uniform(2.2, 3.6)
    slow_mps = scout.speed_mps * share
    # At the event its rear is `gap_m` before the nominal ego's front, and it has changed half way.
    along_m = place.event_m + gap_m + HALF_CAR_M
    path_m = beside.project(place.chain.beside(along_m)[:2])[0]
    length_m = change_s * slow_mps
    shift = Shift(begin_m=path_m - length_m / 2, length_m=length_m, left_m=-aside_m)
    car = following(beside, path_m, event_s, steady(slow_mps), shifts=(shift,), size_m=CAR_M)
    drawn = {"event_s": event_s, "gap_m": gap_m, "other_mps": slow_mps, "change_s": change_s}
    return Staged(approach=approach, cast=[car], drawn=drawn)


def cut_out(scout: Scout) -> Staged:
    """The car ahead moves to the next lane late, and a standing car is revealed."""
    event_s = scout.uniform(6.5, 8.5)
    place = scout.lane_place(lambda here: here.left is not None, event_s, stretch_m=50.0)
    approach = _approach(scout, place, event_s)
    assert place.left is not None
    left_m = _offset(place, place.left)
    gap_s, clearance_m = scout.uniform(1.0, 1.7), scout.uniform(3.0, 8.0)
    length_m = scout.uniform(1.8, 2.4) * scout.speed_mps
    end_m = place.event_m - clearance_m
    shift = Shift(begin_m=end_m - length_m, length_m=length_m, left_m=left_m)
    along_m = approach.front_m(0.0) + gap_s * scout.speed_mps + HALF_CAR_M
    leader = following(place.chain, along_m, 0.0, steady(scout.speed_mps), shifts=(shift,), size_m=CAR_M)
    standing = _broken_down(scout, place, scout.uniform(-0.2, 0.2))
    ways = aside_for_good(place.event_m - 4.0, left_m, scout.speed_mps)
    ways += around(place.event_m, place.event_m + CAR_M[0] + 4.0, (left_m,), scout.speed_mps)
    drawn = {"event_s": event_s, "gap_s": gap_s, "clearance_m": clearance_m}
    return Staged(approach=approach, cast=[*standing, leader], laterals=[(), *ways], about=2, drawn=drawn)


def lane_change_light(scout: Scout) -> Staged:
    """The route leaves from the next lane, in which few drive."""
    return _lane_change(scout, headways_s=(4.0, 7.0), cars=2)


def lane_change_medium(scout: Scout) -> Staged:
    """The route leaves from the next lane, in which some drive."""
    return _lane_change(scout, headways_s=(2.8, 4.2), cars=4)


def lane_change_dense(scout: Scout) -> Staged:
    """The route leaves from the next lane, in which many drive: the gaps are short, one of them a little longer."""
    return _lane_change(scout, headways_s=(1.7, 2.3), cars=7)


def _lane_change(scout: Scout, headways_s: tuple[float, float], cars: int) -> Staged:
    event_s = scout.uniform(6.5, 9.0)
    target, start_left_m, enter_m = _needed_lane(scout, event_s)
    approach = Approach(
        chain=target, speed_mps=scout.speed_mps, event_m=enter_m, event_s=event_s, start_left_m=start_left_m
    )
    if not approach.starts_on_road:
        raise NoPlaceError(f"Map {scout.map.name} has no road long enough for a lane change.")
    traffic_mps = scout.speed_mps * scout.uniform(0.75, 0.95)
    middle = int(scout.rng.integers(cars))
    gaps_m = [scout.uniform(*headways_s) * traffic_mps + CAR_M[0] for _ in range(cars)]
    gaps_m[middle] += scout.uniform(4.0, 8.0)
    # The traffic is beside the ego when it starts.
    along_m = float(approach.at(0.0)[0]) + sum(gaps_m[: max(1, cars // 2)]) + scout.uniform(-5.0, 5.0)
    cast = []
    for gap_m in gaps_m:
        cast.append(following(target, along_m, 0.0, steady(traffic_mps), size_m=CAR_M))
        along_m -= gap_m
    start_m = float(approach.at(0.0)[0])
    ways: list[tuple[Shift, ...]] = []
    for begin_m in np.linspace(start_m + 2.0, enter_m - 35.0, 7).tolist():
        for pace_s in (2.3, 3.5):
            length_m = min(max(18.0, pace_s * scout.speed_mps), enter_m - 6.0 - begin_m)
            if length_m >= 18.0:
                ways.append((Shift(begin_m=begin_m, length_m=length_m, left_m=-start_left_m),))
    return Staged(
        approach=approach,
        cast=cast,
        laterals=[(Shift(begin_m=enter_m - 5.0, length_m=5.0, left_m=0.0),), *ways],
        nominal_may_pass=True,
        may_speed_up=True,
        about=middle,
        goal_m=start_m + 0.5 * (enter_m - start_m),
        drawn={"event_s": event_s, "traffic_mps": traffic_mps, "longest_gap_s": gaps_m[middle] / traffic_mps},
    )


def _needed_lane(scout: Scout, event_s: float) -> tuple[Chain, float, float]:
    """A way on that only one lane of a roadblock leads to, the offset of its neighbour, and where it leaves."""
    lanes = scout.map.lanes
    connectors = np.arange(lanes.num_lanes, len(lanes))
    for row in scout.rng.permutation(connectors).tolist():
        before = int(lanes.predecessors[row][0])
        start = _neighbor_without(scout, before, int(lanes.roadblock_ids[row]))
        if start is None or lanes.turn_kinds[row] == TurnKind.UTURN:
            continue
        if (scout.map.speed_limit_mps(before, default=np.inf) or np.inf) <= scout.speed_mps:
            continue
        target = scout._chain((before, row), scout.map.centerline(before).at(np.array([1e6]))[0], event_s)
        site = np.array(target.origin)
        enter_m = target.project(lanes.centerlines[row][0] - site)[0]
        middle = scout.map.centerline(start).at(np.array([scout.map.centerline(start).length_m / 2]))[0, :2] - site
        approach = Approach(chain=target, speed_mps=scout.speed_mps, event_m=enter_m, event_s=event_s)
        # From the start to the junction it has to be one road of constant width.
        if approach.starts_on_road and scout.map.centerline(before).length_m > 0.75 * event_s * scout.speed_mps:
            return target, target.project(middle)[1], enter_m
    raise NoPlaceError(f"Map {scout.map.name} has no turn that only one of several lanes leads to.")


def _neighbor_without(scout: Scout, row: int, roadblock_id: int) -> int | None:
    """A lane beside `row` that does not lead to a roadblock connector."""
    lanes = scout.map.lanes
    for neighbor in (scout.map.left_neighbor(row), scout.map.right_neighbor(row)):
        if neighbor is None:
            continue
        if roadblock_id not in lanes.roadblock_ids[lanes.successors[neighbor]].tolist():
            return neighbor
    return None


def _either(scout: Scout, left: Chain | None, right: Chain | None) -> Chain:
    found = [chain for chain in (left, right) if chain is not None]
    return found[int(scout.rng.integers(len(found)))]


def ramp_merge(scout: Scout) -> Staged:
    """The ego's ramp joins a road on which others drive; where the lanes meet, one of them is already there."""
    event_s = scout.uniform(7.0, 9.0)
    chain, joined_m, main, main_m = scout.merge(event_s)
    approach = Approach(chain=chain, speed_mps=scout.speed_mps, event_m=joined_m, event_s=event_s)
    traffic_mps = scout.speed_mps * scout.uniform(0.95, 1.25)
    cast = []
    along_m = main_m + scout.uniform(-2.0, 6.0)
    gaps_m = [scout.uniform(1.3, 2.4) * traffic_mps + CAR_M[0] for _ in range(5)]
    along_m += gaps_m[0] + gaps_m[1]
    for gap_m in gaps_m:
        cast.append(following(main, along_m, event_s, steady(traffic_mps), size_m=CAR_M))
        along_m -= gap_m
    drawn = {"event_s": event_s, "traffic_mps": traffic_mps}
    return Staged(approach=approach, cast=cast, about=2, may_speed_up=True, drawn=drawn)
