"""Corner cases on a stretch of road: people who step out, things in the way, somebody who comes our way."""

from dataclasses import replace

import numpy as np

from driving.agents import AgentKind
from driving.synthetic.scene_script import ScriptedTrack
from simulation.generation.corner_cases.chains import Chain, Shift
from simulation.generation.corner_cases.places import Place, Scout
from simulation.generation.corner_cases.staging import (
    Approach,
    Staged,
    crossing,
    following,
    standing_beside,
    steady,
)

EGO_HALF_WIDTH_M = 1.15
CAR_M = (4.6, 1.9)
SIDE_GAP_M = 0.7
"""To what is passed."""


def around(begin_m: float, end_m: float, lefts_m: tuple[float, ...], speed_mps: float) -> list[tuple[Shift, ...]]:
    """Ways around something that reaches from one arc length to another: out, past, and back."""
    ways: list[tuple[Shift, ...]] = []
    for left_m in lefts_m:
        for pace in (1.6, 2.6):
            length_m = max(12.0, pace * speed_mps * np.sqrt(abs(left_m) / 2.0))
            out = Shift(begin_m=begin_m - length_m - 3.0, length_m=length_m, left_m=left_m)
            back = Shift(begin_m=end_m + 3.0, length_m=length_m, left_m=-left_m)
            ways.append((out, back))
    return ways


def aside_for_good(begin_m: float, left_m: float, speed_mps: float) -> list[tuple[Shift, ...]]:
    """Changes to the neighbouring lane that end before an arc length, sooner or later, and quickly or slowly."""
    ways: list[tuple[Shift, ...]] = []
    for sooner_m in (0.0, 12.0, 25.0, 45.0, 65.0):
        for pace_s in (2.2, 3.5):
            length_m = max(14.0, pace_s * speed_mps)
            ways.append((Shift(begin_m=begin_m - sooner_m - length_m, length_m=length_m, left_m=left_m),))
    return ways


def pedestrian_between_cars(scout: Scout) -> Staged:
    """Somebody steps out between cars that are parked on the right, seen only shortly before."""
    event_s = scout.uniform(5.0, 8.0)
    place = scout.lane_place(lambda here: here.right_edge_m - here.half_lane_m > 2.0, event_s, stretch_m=35.0)
    approach = _approach(scout, place, event_s)
    kerb_m = -place.right_edge_m
    gap_m, walk_mps = scout.uniform(1.6, 2.4), scout.uniform(1.1, 1.9)
    depth_m = scout.uniform(0.3, 0.5)
    parked = _parked_row(scout, place, kerb_m + CAR_M[1] / 2 + 0.15, gap_m)
    walker = crossing(
        place.chain,
        place.event_m,
        kerb_m - 1.2,
        place.left_edge_m + 3.0,
        steady(walk_mps),
        event_s + scout.uniform(-0.9, 0.5),
        kind=AgentKind.PEDESTRIAN,
        size_m=(depth_m, 0.6),
    )
    # Behind the cars nobody sees them; half a metre before the cars' inner side the head shows.
    hidden_m = -kerb_m - CAR_M[1] - 0.15 + scout.uniform(0.2, 0.9)
    seen_s = event_s - hidden_m / walk_mps
    walker = _seen_from(walker, seen_s)
    drawn = {"walk_mps": walk_mps, "seen_before_s": event_s - seen_s, "event_s": event_s}
    return Staged(approach=approach, cast=[walker, *parked], drawn=drawn)


def cyclist_crossing(scout: Scout) -> Staged:
    """A cyclist crosses the road without waiting."""
    event_s = scout.uniform(5.0, 8.0)
    place = scout.lane_place(lambda _here: True, event_s)
    speed_mps, skew_rad = scout.uniform(2.0, 5.0), scout.uniform(-0.3, 0.3)
    from_right = scout.coin()
    sides = (-place.right_edge_m - 12.0, place.left_edge_m + 8.0)
    start_m, stop_m = sides if from_right else sides[::-1]
    cyclist = crossing(
        place.chain,
        place.event_m,
        start_m,
        stop_m,
        steady(speed_mps),
        event_s + scout.uniform(-0.9, 0.4),
        kind=AgentKind.BICYCLE,
        size_m=(1.8, 0.6),
        skew_rad=skew_rad,
    )
    drawn = {"cyclist_mps": speed_mps, "event_s": event_s, "from_right": float(from_right)}
    return Staged(approach=_approach(scout, place, event_s), cast=[cyclist], drawn=drawn)


def broken_down_in_lane(scout: Scout) -> Staged:
    """A car stands in the lane; one has to change to the next lane, where somebody else drives."""
    event_s = scout.uniform(6.0, 8.0)
    place = scout.lane_place(lambda here: here.left is not None, event_s, stretch_m=50.0)
    approach = _approach(scout, place, event_s)
    assert place.left is not None
    left_m = _offset(place, place.left)
    cast = _broken_down(scout, place, scout.uniform(-0.2, 0.2))
    traffic_mps = scout.speed_mps * scout.uniform(0.8, 1.15)
    blocked_s = event_s - scout.uniform(1.5, 3.5)
    beside_m = place.left.project(place.chain.beside(float(approach.at(blocked_s)[0]))[:2])[0]
    cast.append(
        following(place.left, beside_m + scout.uniform(-6.0, 6.0), blocked_s, steady(traffic_mps), size_m=CAR_M)
    )
    end_m = place.event_m + CAR_M[0]
    ways = aside_for_good(place.event_m - 4.0, left_m, scout.speed_mps)
    ways += around(place.event_m, end_m + 4.0, (left_m,), scout.speed_mps)
    return Staged(
        approach=approach,
        cast=cast,
        laterals=[(), *ways],
        goal_m=end_m + 5.0,
        drawn={"event_s": event_s, "traffic_mps": traffic_mps},
    )


def broken_down_half_in_lane(scout: Scout) -> Staged:
    """A car stands with half its width in the lane; one has to give it room, with somebody coming the other way."""
    event_s = scout.uniform(5.5, 8.0)

    def suits(here: Place) -> bool:
        return here.left_edge_m > here.half_lane_m + 2.5 and (here.oncoming is not None or here.left is not None)

    place = scout.lane_place(suits, event_s)
    approach = _approach(scout, place, event_s)
    # Its inner side, and how far the ego has to move for a gap of SIDE_GAP_M: its centre stays in its own lane.
    inner_m = -scout.uniform(0.35, 0.75)
    cast = _broken_down(scout, place, inner_m - CAR_M[1] / 2)
    least_m = inner_m + SIDE_GAP_M + EGO_HALF_WIDTH_M
    beside = place.oncoming or place.left
    assert beside is not None
    if place.oncoming is not None:
        other_mps = scout.speed_mps * scout.uniform(0.7, 1.0)
        meet_m = place.oncoming.project(place.chain.beside(place.event_m)[:2])[0]
        cast.append(
            following(
                place.oncoming, meet_m, event_s + scout.uniform(-0.8, 0.8), steady(other_mps), size_m=(5.0, 2.1)
            )
        )
    lefts_m = (least_m - 0.3, least_m, min(least_m + 0.3, place.half_lane_m - 0.1))
    ways = around(place.event_m, place.event_m + CAR_M[0], lefts_m, scout.speed_mps)
    return Staged(
        approach=approach,
        cast=cast,
        laterals=[(), *ways],
        goal_m=place.event_m + CAR_M[0] + 5.0,
        drawn={"event_s": event_s, "in_lane_m": place.half_lane_m + inner_m},
    )


def construction(scout: Scout) -> Staged:
    """Cones and barriers close the lane; the next lane is open."""
    event_s = scout.uniform(5.5, 8.0)
    closed_m = scout.uniform(15.0, 35.0)
    place = scout.lane_place(lambda here: here.left is not None, event_s, stretch_m=30.0 + closed_m)
    assert place.left is not None
    chain, half_m = place.chain, place.half_lane_m
    taper_m = scout.uniform(12.0, 20.0)
    cast = [standing_beside(chain, place.event_m - taper_m - 4.0, 0.4 - half_m, kind=AgentKind.CZONE_SIGN)]
    for share in np.linspace(0.0, 1.0, 7).tolist():
        aside_m = (share - 1.0) * half_m + share * (half_m - 0.7)
        along_m = place.event_m - taper_m * (1.0 - share)
        cast.append(standing_beside(chain, along_m, aside_m, kind=AgentKind.TRAFFIC_CONE))
    for along_m in np.arange(place.event_m + 2.0, place.event_m + closed_m, 2.6).tolist():
        cast.append(standing_beside(chain, along_m, half_m - 0.6, kind=AgentKind.BARRIER))
    traffic_mps = scout.speed_mps * scout.uniform(0.85, 1.1)
    beside_m = place.left.project(chain.beside(place.event_m)[:2])[0]
    lead_m = scout.uniform(-0.5, 1.5) * scout.speed_mps
    cast.append(following(place.left, beside_m - lead_m, event_s - 2.0, steady(traffic_mps), size_m=CAR_M))
    end_m = place.event_m + closed_m
    ways = aside_for_good(place.event_m - taper_m, _offset(place, place.left), scout.speed_mps)
    ways += around(place.event_m - taper_m, end_m, (_offset(place, place.left),), scout.speed_mps)
    drawn = {"event_s": event_s, "closed_m": closed_m}
    return Staged(
        approach=_approach(scout, place, event_s), cast=cast, laterals=[(), *ways], goal_m=end_m + 3.0, drawn=drawn
    )


def oncoming_in_lane(scout: Scout) -> Staged:
    """Somebody coming the other way overtakes a standing truck and is in our lane for too long."""
    event_s = scout.uniform(5.0, 7.5)
    place = scout.lane_place(
        lambda here: here.oncoming is not None and here.right_edge_m - here.half_lane_m > 0.3, event_s, stretch_m=60.0
    )
    assert place.oncoming is not None
    approach = _approach(scout, place, event_s)
    chain, against = place.chain, place.oncoming
    apart_m = -chain.project(against.beside(against.project(chain.beside(place.event_m)[:2])[0])[:2])[1]
    other_mps = scout.speed_mps * scout.uniform(0.55, 0.85)
    meet_m = against.project(chain.beside(place.event_m)[:2])[0]
    # It is back in its lane a little after the nominal ego is there.
    late_m, move_m = scout.uniform(8.0, 22.0), max(16.0, 2.2 * other_mps)
    out_m = move_m + scout.uniform(16.0, 28.0)
    shifts = (
        Shift(begin_m=meet_m + late_m - out_m - move_m, length_m=move_m, left_m=-apart_m),
        Shift(begin_m=meet_m + late_m, length_m=move_m, left_m=apart_m),
    )
    overtaker = following(against, meet_m, event_s, steady(other_mps), shifts=shifts, size_m=CAR_M)
    truck_m = meet_m + late_m - out_m + scout.uniform(2.0, 6.0) + 4.0
    truck = standing_beside(against, truck_m, scout.uniform(-0.8, -0.3), size_m=(8.0, 2.4))
    room_m = place.right_edge_m - EGO_HALF_WIDTH_M - 0.25
    rights_m = tuple(-share * room_m for share in (0.5, 1.0) if room_m > 0.3)
    ways = around(place.event_m - 12.0, place.event_m + 12.0, rights_m, scout.speed_mps)
    drawn = {"event_s": event_s, "other_mps": other_mps}
    return Staged(approach=approach, cast=[overtaker, truck], laterals=[(), *ways], drawn=drawn)


def _approach(scout: Scout, place: Place, event_s: float) -> Approach:
    return Approach(chain=place.chain, speed_mps=scout.speed_mps, event_m=place.event_m, event_s=event_s)


def _offset(place: Place, other: Chain) -> float:
    """Offset of the neighbouring lane's path from the own one, left positive [m]."""
    along = other.project(place.chain.beside(place.event_m)[:2])[0]
    return place.chain.project(other.path.poses(np.array([along]))[0, :2])[1]


def _broken_down(scout: Scout, place: Place, left_m: float) -> list[ScriptedTrack]:
    """A standing car with something on the road before it, which also keeps reactive traffic from driving it off."""
    middle_m = place.event_m + CAR_M[0] / 2
    return [
        standing_beside(place.chain, middle_m, left_m, size_m=CAR_M, turn_rad=scout.uniform(-0.05, 0.05)),
        standing_beside(
            place.chain, middle_m + CAR_M[0] / 2 + 0.65, left_m, kind=AgentKind.GENERIC_OBJECT, size_m=(0.6, 0.6)
        ),
    ]


def _parked_row(scout: Scout, place: Place, left_m: float, gap_m: float) -> list[ScriptedTrack]:
    """Cars parked before and behind a gap at the event."""
    cars: list[ScriptedTrack] = []
    for side in (-1.0, 1.0):
        along_m = place.event_m + side * (gap_m / 2 + CAR_M[0] / 2)
        for _ in range(3):
            if scout.coin(0.9) or len(cars) in (0, 3):
                cars.append(standing_beside(place.chain, along_m, left_m, size_m=CAR_M))
            along_m += side * (CAR_M[0] + scout.uniform(0.8, 1.6))
    return cars


def _seen_from(driver: ScriptedTrack, seen_s: float) -> ScriptedTrack:
    return replace(driver, seen_s=(seen_s, driver.seen_s[1]))
