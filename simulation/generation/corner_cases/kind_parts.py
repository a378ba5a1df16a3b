"""Parts that several kinds of corner cases share: the nominal ego at a site, standing cars, lateral manoeuvres."""

import numpy as np

from driving.agents import AgentKind
from driving.synthetic.scripted_track import ScriptedTrack
from simulation.generation.corner_cases.chains import LaneChain, LateralShift
from simulation.generation.corner_cases.sites import LaneSite, SiteSearch
from simulation.generation.corner_cases.staging import NominalEgo, object_beside

CAR_M = (4.6, 1.9)
"""Length and width of a car."""
HALF_CAR_M = CAR_M[0] / 2

Manoeuvre = tuple[LateralShift, ...]


def ego_at(search: SiteSearch, site: LaneSite, event_s: float) -> NominalEgo:
    """The nominal ego; its front bumper reaches the event of a site at a given time."""
    return NominalEgo(chain=site.chain, speed_mps=search.speed_mps, event_m=site.event_m, event_s=event_s)


def lane_offset_m(site: LaneSite, other: LaneChain) -> float:
    """Offset of a neighbouring lane's path from the path of a site, left positive [m]."""
    along = other.project(site.point())[0]
    return site.chain.project(other.path.poses(np.array([along]))[0, :2])[1]


def pass_around(begin_m: float, end_m: float, lefts_m: tuple[float, ...], speed_mps: float) -> list[Manoeuvre]:
    """Manoeuvres out, past an obstacle between two arc lengths, and back."""
    manoeuvres: list[Manoeuvre] = []
    for left_m in lefts_m:
        for pace in (1.6, 2.6):
            length_m = max(12.0, pace * speed_mps * np.sqrt(abs(left_m) / 2.0))
            out = LateralShift(begin_m=begin_m - length_m - 3.0, length_m=length_m, left_m=left_m)
            back = LateralShift(begin_m=end_m + 3.0, length_m=length_m, left_m=-left_m)
            manoeuvres.append((out, back))
    return manoeuvres


def change_lane_before(end_m: float, left_m: float, speed_mps: float) -> list[Manoeuvre]:
    """Lane changes that end at an arc length or up to 65 m before it, each in two durations."""
    manoeuvres: list[Manoeuvre] = []
    for earlier_m in (0.0, 12.0, 25.0, 45.0, 65.0):
        for duration_s in (2.2, 3.5):
            length_m = max(14.0, duration_s * speed_mps)
            manoeuvres.append((LateralShift(begin_m=end_m - earlier_m - length_m, length_m=length_m, left_m=left_m),))
    return manoeuvres


def broken_down_car(search: SiteSearch, site: LaneSite, left_m: float) -> list[ScriptedTrack]:
    """A car at rest at the event and an object in front of it, which stops reactive traffic from moving the car."""
    middle_m = site.event_m + HALF_CAR_M
    object_m = middle_m + HALF_CAR_M + 0.65
    turn_rad = search.uniform(-0.05, 0.05)
    return [
        object_beside(site.chain, middle_m, left_m, size_m=CAR_M, turn_rad=turn_rad),
        object_beside(site.chain, object_m, left_m, kind=AgentKind.GENERIC_OBJECT, size_m=(0.6, 0.6)),
    ]
