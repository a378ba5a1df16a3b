"""Events in the ego's lane and at the roadside: agents that lead, follow, stand, park, wait or walk.

Agents are timed relative to the nominal ego, as in the corner cases; a number in the sentence replaces the number
that is drawn otherwise. Time 0 is iteration 0.
"""

from dataclasses import replace

import numpy as np

from driving.agents import AgentKind
from driving.synthetic.motion import SpeedProfile
from driving.synthetic.scripted_track import ScriptedTrack
from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.kind_parts import Manoeuvre as Shifts
from simulation.generation.corner_cases.kind_parts import change_lane_before, pass_around
from simulation.generation.corner_cases.sites import NoSiteError
from simulation.generation.corner_cases.staging import changing_speed, constant_speed, object_beside, track_along
from simulation.generation.text.actors import Box, with_box
from simulation.generation.text.condition import EventCondition
from simulation.generation.text.place import LEFT, RIGHT
from simulation.generation.text.stage import GAP_BETWEEN_M, StagedEvent, Staging
from simulation.generation.text.vocabulary import Manoeuvre

PARKING_GAP_M = 3.0
"""Gap between parked vehicles at the place of the event."""
EDGE_M = 0.9
"""Distance of people beside the road from its edge."""


def leading(staging: Staging, event: EventCondition) -> StagedEvent:
    """Agents ahead in the lane: they drive on, brake or stop."""
    place, ego = staging.place, staging.place.ego
    speed_mps = event.speed_mps or (
        staging.speed_mps * (staging.uniform(0.75, 0.95) if event.first == Manoeuvre.DRIVE else 1.0)
    )
    agents: list[ScriptedTrack] = []
    front_m = max(ego.front_m(0.0), staging.ahead_m)
    gap_m = event.distance_m or max(staging.uniform(1.1, 2.2) * staging.speed_mps, 6.0)
    stop_front_m = stop_s = None
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        along_m = front_m + gap_m + box.half_m
        profile, stop_s = _leading_speed(staging, event, speed_mps, along_m + box.half_m)
        agents.append(with_box(track_along(place.chain, along_m, 0.0, profile, size_m=box.size_m), box))
        moved_m = float(profile.distance_m(np.array([stop_s or 0.0]))[0])
        front_m = along_m + box.half_m
        stop_front_m = front_m + moved_m
        gap_m = GAP_BETWEEN_M + 0.4 * speed_mps
    staging.ahead_m = front_m + GAP_BETWEEN_M
    return StagedEvent(
        agents=agents,
        needs_reaction=event.first in (Manoeuvre.BRAKE_HARD, Manoeuvre.STOP),
        stop_front_m=stop_front_m if stop_s is not None else None,
        stop_s=stop_s,
    )


def _leading_speed(
    staging: Staging, event: EventCondition, speed_mps: float, front_m: float
) -> tuple[SpeedProfile, float | None]:
    """Speed of an agent ahead, and the time at which it is slowest; None for one that drives on."""
    begin_s = event.time_s or staging.uniform(1.5, 3.5)
    is_hard = event.does(Manoeuvre.BRAKE_HARD)
    if staging.red_until_s is not None and not is_hard:
        return _stopping_at_red(staging, event, speed_mps, front_m)
    if event.first == Manoeuvre.DRIVE:
        return constant_speed(speed_mps), None
    if is_hard:
        brake_mps2 = staging.uniform(3.8, 6.0)
        slow_mps = 0.0 if staging.place.search.coin() else staging.uniform(0.0, 0.25) * speed_mps
    else:
        brake_mps2, slow_mps = staging.uniform(1.2, 1.9), staging.uniform(0.25, 0.55) * speed_mps
    if event.does(Manoeuvre.STOP):
        slow_mps = 0.0
    slow_from_s = begin_s + (speed_mps - slow_mps) / brake_mps2
    changes = [(begin_s, brake_mps2, slow_mps)]
    if not event.does(Manoeuvre.STOP) and staging.red_until_s is None and staging.place.search.coin(0.6):
        changes.append((slow_from_s + staging.uniform(1.5, 3.5), 1.3, speed_mps))
    return changing_speed(speed_mps, *changes), slow_from_s


def _stopping_at_red(
    staging: Staging, event: EventCondition, speed_mps: float, front_m: float
) -> tuple[SpeedProfile, float | None]:
    """A stop at the red light, and a start when it turns green."""
    assert staging.place.junction is not None and staging.red_until_s is not None  # noqa: PT018
    room_m = staging.place.junction.enter_m - 1.0 - front_m
    if event.time_s is None:
        brake_mps2 = staging.uniform(1.3, 2.0)
        begin_s = (room_m - speed_mps**2 / (2 * brake_mps2)) / speed_mps
    else:
        begin_s = event.time_s
        brake_mps2 = speed_mps**2 / (2 * max(room_m - begin_s * speed_mps, 0.1))
    if begin_s < -1.0 or not 0.8 < brake_mps2 < 2.5:
        raise NoSiteError("An agent ahead cannot stop at the red light from its distance and speed.")
    stop_s = begin_s + speed_mps / brake_mps2
    changes = [(begin_s, brake_mps2, 0.0)]
    if not event.does(Manoeuvre.STOP):
        changes.append((max(staging.red_until_s + 0.6, stop_s + 1.0), 1.4, speed_mps))
    return changing_speed(speed_mps, *changes), stop_s


def following(staging: Staging, event: EventCondition) -> StagedEvent:
    """Agents behind the ego in its lane, which slow down early."""
    place, ego = staging.place, staging.place.ego
    back_m = ego.front_m(0.0) - PACIFICA.length_m
    speed_mps = event.speed_mps or staging.speed_mps * staging.uniform(0.85, 1.0)
    gap_m = event.distance_m or staging.uniform(9.0, 18.0)
    agents: list[ScriptedTrack] = []
    slow_mps = speed_mps * staging.uniform(0.15, 0.4)
    profile = changing_speed(speed_mps, (staging.uniform(0.0, 1.0), staging.uniform(1.5, 2.2), slow_mps))
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        along_m = back_m - gap_m - box.half_m
        agents.append(with_box(track_along(place.chain, along_m, 0.0, profile, size_m=box.size_m), box))
        back_m, gap_m = along_m - box.half_m, GAP_BETWEEN_M + 0.5 * speed_mps
    return StagedEvent(agents=agents)


def standing(staging: Staging, event: EventCondition) -> StagedEvent:
    """Objects at rest in the lane; the ego changes lanes where there is one, or stops."""
    place = staging.place
    begin_m = max(place.event_m, staging.standing_m)
    if event.distance_m is not None:
        begin_m = place.ego.front_m(0.0) + event.distance_m
    agents: list[ScriptedTrack] = []
    end_m = begin_m
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        aside_m = staging.uniform(-0.25, 0.25) if box.kind == AgentKind.VEHICLE else staging.uniform(-0.7, 0.5)
        turn_rad = staging.uniform(-0.05, 0.05)
        agents.append(
            object_beside(
                place.chain, end_m + box.half_m, aside_m, kind=box.kind, size_m=box.size_m, turn_rad=turn_rad
            )
        )
        end_m += box.size_m[0] + staging.uniform(1.2, 2.0)
    staging.standing_m = end_m
    manoeuvres: list[Shifts] = []
    left = place.neighbor(LEFT)
    if left is not None:
        left_m = place.offset_m(left, begin_m)
        manoeuvres = change_lane_before(begin_m - 4.0, left_m, staging.speed_mps)
        manoeuvres += pass_around(begin_m, end_m + 4.0, (left_m,), staging.speed_mps)
    return StagedEvent(agents=agents, manoeuvres=tuple(manoeuvres), needs_reaction=True)


def parked(staging: Staging, event: EventCondition) -> StagedEvent:
    """Vehicles on the parking strip on the right, before and behind a gap, through which people can step out."""
    place = staging.place
    ends_m = {RIGHT: place.event_m - PARKING_GAP_M / 2, LEFT: place.event_m + PARKING_GAP_M / 2}
    if event.distance_m is not None:
        ends_m[LEFT] = place.ego.front_m(0.0) + event.distance_m
    agents: list[ScriptedTrack] = []
    for number in range(event.count):
        box = Box(place.search, event.kind)
        # Signs of the sides serve as those of the directions along the road.
        step = LEFT if number % 2 == 0 or event.distance_m is not None else RIGHT
        middle_m = ends_m[step] + step * box.half_m
        aside_m = place.chain.edge_m(middle_m, RIGHT) - box.size_m[1] / 2 - 0.1
        agents.append(object_beside(place.chain, middle_m, -aside_m, kind=box.kind, size_m=box.size_m))
        ends_m[step] += step * (box.size_m[0] + staging.uniform(0.9, 1.6))
    return StagedEvent(agents=agents)


def beside_road(staging: Staging, event: EventCondition) -> StagedEvent:
    """People at the edge of the road, at rest or walking along it."""
    place, side = staging.place, staging.side_of(event, default=RIGHT)
    # Behind the place at which others may cross the road.
    along_m = place.event_m + staging.uniform(3.0, 8.0)
    if event.distance_m is not None:
        along_m = place.ego.front_m(0.0) + event.distance_m
    speed_mps = staging.speed_of(event)
    agents: list[ScriptedTrack] = []
    for number in range(event.count):
        box = Box(place.search, event.kind)
        beside_m = side * (place.chain.edge_m(along_m, side) + EDGE_M + 0.7 * (number % 2))
        if event.first == Manoeuvre.WAIT:
            agents.append(
                object_beside(
                    place.chain, along_m, beside_m, kind=box.kind, size_m=box.size_m, turn_rad=-side * np.pi / 2
                )
            )
        else:
            track = track_along(place.chain, along_m, 0.0, constant_speed(speed_mps), size_m=box.size_m)
            path = place.chain.shifted((), beside_m)
            agents.append(with_box(replace(track, path=path), box))
        along_m += staging.uniform(0.9, 1.6)
    return StagedEvent(agents=agents)
