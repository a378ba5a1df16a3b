"""Other traffic of a density around a place: lanes beside the ego's, oncoming lanes, and arms of a junction.

It keeps to its lanes and lights and does not react. A vehicle that would touch an agent of the events or the history
of the ego is left out.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from driving.map import TurnKind
from driving.synthetic.scripted_track import ScriptedTrack
from driving.vehicle import PACIFICA
from simulation.generation.corner_cases.chains import LaneChain
from simulation.generation.corner_cases.sites import CrossingChain
from simulation.generation.corner_cases.staging import (
    NominalEgo,
    changing_speed,
    constant_speed,
    sample_times,
    track_along,
)
from simulation.generation.text.actors import Box
from simulation.generation.text.condition import TextCondition
from simulation.generation.text.place import LEFT, RIGHT, Place
from simulation.generation.text.stage import Staging
from simulation.generation.text.vocabulary import ActorKind, EgoManoeuvre, Relation
from simulation.generation.ways_out.overlaps import AgentBoxes, collision_free

MARGIN_M = (0.6, 0.3)
"""Added to length and width of a box in the check of overlaps between agents."""
FAR_M = 1e9
"""Position of unobserved agents in the check of overlaps."""
HEAVY_SHARE = 0.12


class Traffic(NamedTuple):
    """Numbers of a density."""

    gap_m: tuple[float, float]
    """Bumper to bumper in a lane."""
    queue: tuple[int, int]
    """Vehicles that wait in a lane at a red light or a yield line, the second number excluded."""
    flow_s: tuple[float, float]
    """Time between vehicles that cross on green."""
    share: float
    """Share of the lanes with traffic."""


TRAFFIC = {
    "low": Traffic((60.0, 110.0), (0, 1), (9.0, 14.0), 0.3),
    "medium": Traffic((22.0, 38.0), (1, 3), (3.5, 5.5), 0.8),
    "high": Traffic((6.0, 11.0), (3, 6), (1.9, 2.8), 1.0),
}


def background(staging: Staging, condition: TextCondition) -> list[ScriptedTrack]:
    """Vehicles of the condition's density, before the check of overlaps; sparse traffic for none.

    An ego that changes lanes gets oncoming traffic only: its corner case brings that of the other lanes.
    """
    place, traffic = staging.place, TRAFFIC[condition.scene.density or "low"]
    brings_traffic = condition.ego == EgoManoeuvre.CHANGE_LANE
    tracks: list[ScriptedTrack] = []
    for chain, is_oncoming in _lanes(place):
        if place.search.coin(traffic.share):
            if staging.red_until_s is not None:
                tracks += _queue(staging, chain, traffic)
            elif condition.ego != EgoManoeuvre.TURN_LEFT if is_oncoming else not brings_traffic:
                tracks += _stream(staging, chain, is_oncoming, traffic)
    for arm in (Relation.LEFT, Relation.RIGHT):
        for movement in place.movements(arm, TurnKind.STRAIGHT):
            tracks += _side_arm(staging, movement, traffic)
    return tracks


def _lanes(place: Place) -> Iterator[tuple[LaneChain, bool]]:
    """Lanes of the road besides the ego's, and whether they are oncoming."""
    own = place.row_at(place.lane_m)
    for step in (LEFT, RIGHT):
        row = _next(place, own, step)
        while row is not None:
            yield place.chain_of(row), False
            row = _next(place, row, step)
    oncoming = place.oncoming()
    if oncoming is None:
        return
    yield oncoming, True
    beside = [one for one in oncoming.rows if not place.map.lanes.is_connector(one) and _is_at(place, oncoming, one)]
    row = _next(place, beside[0], RIGHT) if beside else None
    while row is not None:
        yield place.chain_of(row), True
        row = _next(place, row, RIGHT)


def _next(place: Place, row: int, side: int) -> int | None:
    return place.map.left_neighbor(row) if side == LEFT else place.map.right_neighbor(row)


def _is_at(place: Place, chain: LaneChain, row: int) -> bool:
    """Whether a lane of a chain lies beside the place."""
    along_m = chain.project(place.point(place.lane_m))[0]
    line = place.map.lanes.centerlines[row]
    begin_m, end_m = (chain.project_global(point)[0] for point in (line[0], line[-1]))
    return begin_m - 1.0 <= along_m <= end_m + 1.0


def _vehicle(staging: Staging) -> Box:
    search = staging.place.search
    return Box(search, ActorKind.TRUCK if search.coin(HEAVY_SHARE) else ActorKind.CAR)


def _stream(staging: Staging, chain: LaneChain, is_oncoming: bool, traffic: Traffic) -> list[ScriptedTrack]:
    """Moving vehicles in a lane, around the ego for as long as the scenario lasts."""
    ego = staging.place.ego
    here_m = chain.project(staging.place.point(float(ego.at(0.0)[0])))[0]
    speed_mps = staging.speed_mps * staging.uniform(0.75, 1.0)
    behind_m, ahead_m = (330.0, 60.0) if is_oncoming else (110.0, 110.0)
    along_m = here_m - behind_m + staging.uniform(0.0, traffic.gap_m[1])
    tracks: list[ScriptedTrack] = []
    while along_m < here_m + ahead_m:
        box = _vehicle(staging)
        tracks.append(track_along(chain, along_m, 0.0, constant_speed(speed_mps), size_m=box.size_m))
        along_m += box.size_m[0] + staging.uniform(*traffic.gap_m)
    return tracks


def _queue(staging: Staging, chain: LaneChain, traffic: Traffic) -> list[ScriptedTrack]:
    """Vehicles that wait at the ego's red light in other lanes, and start one after the other."""
    place = staging.place
    assert place.junction is not None and staging.red_until_s is not None  # noqa: PT018
    rows = [row for row in chain.rows if _is_in_junction(place, row)]
    if not rows:
        return []
    stop_m = chain.project_global(place.map.lanes.centerlines[rows[0]][0])[0] - 1.0
    return _waiting(staging, chain, stop_m, traffic, staging.red_until_s)


def _is_in_junction(place: Place, row: int) -> bool:
    assert place.junction is not None
    ids = place.map.lanes.intersection_ids
    return bool(place.map.lanes.is_connector(row) and ids[row] == ids[place.junction.row])


def _side_arm(staging: Staging, movement: CrossingChain, traffic: Traffic) -> list[ScriptedTrack]:
    """Vehicles from the side: they wait while the ego may drive, and cross while its light is red."""
    place, other = staging.place, movement.chain
    if staging.red_until_s is None:
        row = next(row for row in other.rows if _is_in_junction(place, row))
        stop_m = other.project_global(place.map.lanes.centerlines[row][0])[0] - 1.0
        return _waiting(staging, other, stop_m, traffic, None)
    tracks: list[ScriptedTrack] = []
    time_s, speed_mps = staging.uniform(-3.0, 1.0), staging.uniform(8.0, 10.0)
    while time_s < staging.red_until_s - 4.5:
        box = _vehicle(staging)
        tracks.append(track_along(other, movement.own_m, time_s, constant_speed(speed_mps), size_m=box.size_m))
        time_s += box.size_m[0] / speed_mps + staging.uniform(*traffic.flow_s) * 0.7
    return tracks


def _waiting(
    staging: Staging, chain: LaneChain, front_m: float, traffic: Traffic, green_s: float | None
) -> list[ScriptedTrack]:
    tracks: list[ScriptedTrack] = []
    for place_in_queue in range(int(staging.place.search.rng.integers(*traffic.queue))):
        box = _vehicle(staging)
        profile = constant_speed(0.0)
        if green_s is not None:
            profile = changing_speed(0.0, (green_s + 0.8 + 1.1 * place_in_queue, 1.4, 9.0))
        tracks.append(track_along(chain, front_m - box.half_m, 0.0, profile, size_m=box.size_m))
        front_m -= box.size_m[0] + staging.uniform(1.8, 3.0)
    return tracks


# ---------------------------------------------------------------------- overlaps


def boxes_of(tracks: Sequence[ScriptedTrack]) -> AgentBoxes:
    """Boxes over the frames of a corner case, in the site frame."""
    times = sample_times()
    poses = np.array([track.poses(times) for track in tracks]).reshape(len(tracks), len(times), 3)
    valid = np.array([(times >= track.seen_s[0] - 1e-6) & (times <= track.seen_s[1] + 1e-6) for track in tracks])
    valid = valid.reshape(len(tracks), len(times))
    sizes = np.array([track.size_m for track in tracks], dtype=np.float64).reshape(len(tracks), 1, 2)
    poses = np.where(valid[..., np.newaxis], poses, FAR_M)
    return AgentBoxes(poses, np.repeat(sizes, len(times), axis=1), valid)


def touch(track: ScriptedTrack, others: Sequence[ScriptedTrack]) -> bool:
    """Whether an agent comes too close to one of others at any time."""
    if not others:
        return False
    own = boxes_of([track])
    length_m, width_m = own.sizes[0, 0] + np.array(MARGIN_M)
    return not bool(collision_free(own.poses, float(length_m), float(width_m), boxes_of(others))[0])


def meets_history(track: ScriptedTrack, ego: NominalEgo) -> bool:
    """Whether an agent touches the ego before iteration 0 or shortly after it, when no drive can avoid it."""
    times = sample_times()
    early = times < 0.6
    centers = ego.chain.shifted((), ego.start_left_m).poses(ego.at(times[early]) + PACIFICA.rear_axle_to_center_m)
    boxes = boxes_of([track])
    cut = AgentBoxes(boxes.poses[:, early], boxes.sizes[:, early], boxes.valid[:, early])
    size_m = (PACIFICA.length_m + MARGIN_M[0], PACIFICA.width_m + MARGIN_M[1])
    return not bool(collision_free(centers[np.newaxis], *size_m, cut)[0])


def added_background(
    tracks: Sequence[ScriptedTrack], agents: Sequence[ScriptedTrack], ego: NominalEgo
) -> list[ScriptedTrack]:
    """The vehicles of the background that touch no agent, no other vehicle and not the ego's history."""
    kept: list[ScriptedTrack] = []
    for track in tracks:
        if not touch(track, [*agents, *kept]) and not meets_history(track, ego):
            kept.append(track)
    return kept
