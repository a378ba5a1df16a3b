"""Events between lanes: agents that cut in or out, overtake, merge, or keep a lane beside or opposite the ego's."""

import numpy as np

from driving.synthetic.scripted_track import ScriptedTrack
from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.chains import LaneChain, LateralShift
from simulation.generation.corner_cases.kind_parts import change_lane_before, pass_around
from simulation.generation.corner_cases.sites import NoSiteError
from simulation.generation.corner_cases.staging import changing_speed, constant_speed, object_beside, track_along
from simulation.generation.text.actors import Box, with_box
from simulation.generation.text.condition import EventCondition
from simulation.generation.text.place import LEFT, RIGHT
from simulation.generation.text.stage import GAP_BETWEEN_M, StagedEvent, Staging
from simulation.generation.text.vocabulary import Manoeuvre, Relation


def _neighbor(staging: Staging, event: EventCondition) -> LaneChain:
    """The lane of an event beside the ego's: that of the sentence, otherwise a random one."""
    sides = [staging.side_of(event), -staging.side_of(event)] if event.relation is None else [staging.side_of(event)]
    if event.relation in (Relation.BESIDE, Relation.BEHIND):
        sides = [LEFT, RIGHT]
    found = [chain for chain in map(staging.place.neighbor, sides) if chain is not None]
    if not found:
        raise NoSiteError(f"Map {staging.place.map.name} has no lane beside the ego's for a {event.kind}.")
    return found[0]


def cutting_in(staging: Staging, event: EventCondition) -> StagedEvent:
    """A slower vehicle from the next lane changes into the ego's lane closely before the ego."""
    place, box = staging.place, Box(staging.place.search, event.kind)
    lane = _neighbor(staging, event)
    change_s, gap_m = staging.uniform(2.2, 3.4), staging.uniform(3.0, 9.0)
    middle_s = (event.time_s or staging.uniform(1.6, 4.0)) + change_s / 2
    meet_m = place.ego.front_m(middle_s) + gap_m + box.half_m
    speed_mps = event.speed_mps or staging.speed_mps * staging.uniform(0.55, 0.85)
    if event.distance_m is not None:
        start_m = place.ego.front_m(0.0) + event.distance_m + box.half_m
        speed_mps = event.speed_mps or float(np.clip((meet_m - start_m) / middle_s, 0.4 * staging.speed_mps, 20.0))
        meet_m = start_m + speed_mps * middle_s
    path_m = lane.project(place.point(meet_m))[0]
    length_m = change_s * speed_mps
    shift = LateralShift(begin_m=path_m - length_m / 2, length_m=length_m, left_m=-place.offset_m(lane, meet_m))
    profile = constant_speed(speed_mps)
    if event.does(Manoeuvre.BRAKE) or event.does(Manoeuvre.BRAKE_HARD):
        brake_mps2 = staging.uniform(3.6, 5.5) if event.does(Manoeuvre.BRAKE_HARD) else staging.uniform(1.2, 1.9)
        slow_mps = staging.uniform(0.2, 0.5) * speed_mps
        profile = changing_speed(speed_mps, (middle_s + change_s / 2 + 0.3, brake_mps2, slow_mps))
    car = track_along(lane, path_m, middle_s, profile, shifts=(shift,), size_m=box.size_m)
    return StagedEvent(agents=[with_box(car, box)], needs_reaction=True)


def cutting_out(staging: Staging, event: EventCondition) -> StagedEvent:
    """The leader changes to the next lane late and reveals a standing car."""
    place, box = staging.place, Box(staging.place.search, event.kind)
    lane = place.neighbor(LEFT) or place.neighbor(RIGHT)
    if lane is None:
        raise NoSiteError(f"Map {place.map.name} has no lane beside the ego's for a {event.kind}.")
    gap_m = event.distance_m or staging.uniform(1.0, 1.7) * staging.speed_mps
    along_m = place.ego.front_m(0.0) + gap_m + box.half_m
    speed_mps = event.speed_mps or staging.speed_mps
    length_m = staging.uniform(1.8, 2.4) * speed_mps
    begin_m = along_m + (event.time_s or staging.uniform(2.0, 4.0)) * speed_mps
    left_m = place.offset_m(lane, begin_m)
    shift = LateralShift(begin_m=begin_m, length_m=length_m, left_m=left_m)
    leader = track_along(place.chain, along_m, 0.0, constant_speed(speed_mps), shifts=(shift,), size_m=box.size_m)
    stands_m = begin_m + length_m + box.half_m + staging.uniform(2.0, 6.0)
    standing = object_beside(place.chain, stands_m + 2.4, staging.uniform(-0.2, 0.2), size_m=(4.6, 1.9))
    manoeuvres = change_lane_before(stands_m - 4.0, left_m, staging.speed_mps)
    manoeuvres += pass_around(stands_m, stands_m + 9.0, (left_m,), staging.speed_mps)
    return StagedEvent(agents=[with_box(leader, box), standing], manoeuvres=tuple(manoeuvres), needs_reaction=True)


def overtaking(staging: Staging, event: EventCondition) -> StagedEvent:
    """Faster vehicles from behind pass the ego in the next lane."""
    place, ego = staging.place, staging.place.ego
    lane = _neighbor(staging, event)
    speed_mps = event.speed_mps or staging.speed_mps + staging.uniform(3.0, 5.5)
    if speed_mps < staging.speed_mps + 1.0:
        raise NoSiteError(
            f"A {event.kind} at {speed_mps:.1f} m/s does not overtake an ego at {staging.speed_mps:.1f} m/s."
        )
    back_m = ego.front_m(0.0) - PACIFICA.length_m - (event.distance_m or staging.uniform(5.0, 14.0))
    agents: list[ScriptedTrack] = []
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        along_m = lane.project(place.point(back_m - box.half_m))[0]
        agents.append(with_box(track_along(lane, along_m, 0.0, constant_speed(speed_mps), size_m=box.size_m), box))
        back_m -= box.size_m[0] + GAP_BETWEEN_M + 0.5 * speed_mps
    return StagedEvent(agents=agents)


def merging(staging: Staging, event: EventCondition) -> StagedEvent:
    """Vehicles from the ramp join the ego's lane closely before the ego."""
    place = staging.place
    if place.merge is None:
        raise NoSiteError(f"Map {place.map.name} has no ramp for a {event.kind}.")
    speed_mps = event.speed_mps or staging.speed_mps * staging.uniform(0.75, 0.95)
    time_s = place.ego.time_s(place.merge.main_m) - staging.uniform(0.1, 0.9)
    agents: list[ScriptedTrack] = []
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        track = track_along(
            place.merge.chain, place.merge.joined_m, time_s, constant_speed(speed_mps), size_m=box.size_m
        )
        agents.append(with_box(track, box))
        time_s -= (box.size_m[0] + GAP_BETWEEN_M) / speed_mps + 0.6
    return StagedEvent(agents=agents, needs_reaction=True)


def beside(staging: Staging, event: EventCondition) -> StagedEvent:
    """Vehicles that keep a lane beside the ego's."""
    place, other = staging.place, _neighbor(staging, event)
    lead_m = place.ego.front_m(0.0) + (event.distance_m or staging.uniform(-8.0, 2.0))
    return _in_lane(staging, event, other, lead_m)


def oncoming(staging: Staging, event: EventCondition) -> StagedEvent:
    """Vehicles that pass in the opposite direction."""
    place = staging.place
    other = place.oncoming()
    if other is None:
        raise NoSiteError(f"Map {place.map.name} has no oncoming lane here.")
    lead_m = place.ego.front_m(0.0) + (event.distance_m or staging.uniform(30.0, 50.0))
    return _in_lane(staging, event, other, lead_m)


def _in_lane(staging: Staging, event: EventCondition, other: LaneChain, lead_m: float) -> StagedEvent:
    """Vehicles at a constant speed in another lane; `lead_m` is the nearer end of the first, on the ego's chain."""
    place, speed_mps = staging.place, staging.speed_of(event)
    agents: list[ScriptedTrack] = []
    for _ in range(event.count):
        box = Box(place.search, event.kind)
        along_m = other.project(place.point(lead_m + box.half_m))[0]
        agents.append(with_box(track_along(other, along_m, 0.0, constant_speed(speed_mps), size_m=box.size_m), box))
        lead_m += box.size_m[0] + GAP_BETWEEN_M + 0.6 * speed_mps
    return StagedEvent(agents=agents)


def wrong_lane(staging: Staging, event: EventCondition) -> StagedEvent:
    """An oncoming vehicle passes a standing truck and returns from the ego's lane late."""
    place, box = staging.place, Box(staging.place.search, event.kind)
    lane = place.oncoming()
    if lane is None:
        raise NoSiteError(f"Map {place.map.name} has no oncoming lane here.")
    meet_m = lane.project(place.point(place.event_m))[0]
    apart_m = -place.chain.project(lane.beside(meet_m)[:2])[1]
    speed_mps = event.speed_mps or staging.speed_mps * staging.uniform(0.55, 0.85)
    late_m, move_m = staging.uniform(4.0, 14.0), max(16.0, 2.2 * speed_mps)
    out_m = move_m + staging.uniform(14.0, 24.0)
    shifts = (
        LateralShift(begin_m=meet_m + late_m - out_m - move_m, length_m=move_m, left_m=-apart_m),
        LateralShift(begin_m=meet_m + late_m, length_m=move_m, left_m=apart_m),
    )
    event_s = place.ego.time_s(place.event_m) + staging.uniform(0.0, 0.8)
    driver = track_along(lane, meet_m, event_s, constant_speed(speed_mps), shifts=shifts, size_m=box.size_m)
    truck_m = meet_m + late_m - out_m + staging.uniform(4.0, 8.0)
    truck = object_beside(lane, truck_m, staging.uniform(-0.8, -0.3), size_m=(7.5, 2.3))
    room_m = place.chain.edge_m(place.event_m, RIGHT) - 1.4
    rights_m = tuple(-share * room_m for share in (0.5, 1.0) if room_m > 0.3)
    manoeuvres = pass_around(place.event_m - 12.0, place.event_m + 12.0, rights_m, staging.speed_mps)
    return StagedEvent(agents=[with_box(driver, box), truck], manoeuvres=tuple(manoeuvres), needs_reaction=True)
