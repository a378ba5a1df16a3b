"""Hand-made scenes whose right answers are known: each docstring says them.

`scene("queue")` gives the scenario. Time 0 is iteration 0, and x and y count from the origin of the scene's
site. The ego's front is 4.049 m before its rear axle; hand-made cars are 4.8 m long and 2 m wide.
"""

from collections.abc import Callable

import numpy as np

from driving.agents import AgentKind, LightStatus
from driving.names import unknown_name
from driving.recording import Recording
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath, SpeedChange, SpeedProfile, shifted_aside
from driving.synthetic.proving_ground import Site, proving_ground
from driving.synthetic.stage import Driver, Stage, standing

WEST_END_M = 120.0
"""Arc length of x = 0 on the eastbound lanes of the straight sites."""


def scene(name: str) -> Scenario:
    """The scenario of a hand-made scene.

    Raises:
        KeyError: When there is no scene of that name.
    """
    if name not in SCENES:
        raise KeyError(unknown_name("scene named", name, SCENES))
    return SCENES[name]().scenarios()[0]


def straight_road() -> Recording:
    """Alone on a straight road at 10 m/s: the rear axle is at x = 10 t, y = -1.75.

    150 m of progress, no acceleration, no light, nobody near; the limit is 13.89 m/s.
    """
    site = proving_ground().sites["road"]
    ego = _on(site, "east_0", 0.0, SpeedProfile(start_mps=10.0))
    return _stage("straight_road", "following_lane_without_lead", site, "east_0", ego, []).record()


def queue() -> Recording:
    """Three standing cars ahead; the ego brakes from 10 m/s and stands 3 m behind the last one.

    At time 0 the gap is 58 m, 5.8 s at its speed. It brakes from 3 s to 8 s over 25 m, at most at
    3.14 m/s2, and stands from then on with its rear axle at x = 55; the gap is 3 m.
    """
    site = proving_ground().sites["road"]
    speed = SpeedProfile(start_mps=10.0, changes=(SpeedChange(begin_s=3.0, duration_s=5.0, speed_mps=0.0),))
    cast = [standing(62.049 + 2.4 + 6.8 * place, -1.75) for place in range(3)]
    ego = _on(site, "east_0", 0.0, speed)
    return _stage("queue", "stopping_with_lead", site, "east_0", ego, cast).record()


def cut_in() -> Recording:
    """A slower car from the left lane moves in front of the ego, which slows from 12 m/s to its 10 m/s.

    At time 0 the car is 27 m ahead (rear to front) in the left lane. It moves to the ego's lane from 3 s to
    6 s, while the ego slows from 4 s to 8 s. Afterwards the gap stays at 14.7 m, 1.47 s: 12 m are lost to the
    speed and 0.3 m to the detour of the car's lane change.
    """
    site = proving_ground().sites["avenue"]
    speed = SpeedProfile(start_mps=12.0, changes=(SpeedChange(begin_s=4.0, duration_s=4.0, speed_mps=10.0),))
    start_m = WEST_END_M + 27.0 + 4.049 + 2.4
    aside = shifted_aside(site.line("east_0"), start_m + 30.0, 30.0, -3.5)
    car = Driver(path=SmoothPath(aside), start_m=start_m, speed=SpeedProfile(start_mps=10.0))
    ego = _on(site, "east_1", 0.0, speed)
    return _stage("cut_in", "following_lane_with_lead", site, "east_1", ego, [car]).record()


def red_light() -> Recording:
    """The ego stops at a red light, which turns green at 9.0 s, and drives on from 10 s.

    It brakes from 10 m/s from 2 s to 7 s and stands with its front at x = -18, 2 m before the stop line; from
    10 s to 16 s it speeds up to 8 m/s over 24 m. East and west are red up to iteration 89 and green from 90
    on; north and south are green, yellow from 5.0 s, red from 8.0 s. A car crosses the middle northwards at 4 s.
    """
    site = proving_ground().sites["crossroads"]
    changes = (
        SpeedChange(begin_s=2.0, duration_s=5.0, speed_mps=0.0),
        SpeedChange(begin_s=10.0, duration_s=6.0, speed_mps=8.0),
    )
    ego = _on(site, "west_to_east", 220.0 - 18.0 - 4.049 - 45.0, SpeedProfile(start_mps=10.0, changes=changes))
    car = _on(site, "south_to_north", 220.0 - 4.0 * 8.0, SpeedProfile(start_mps=8.0))
    lights = {}
    for start in ("east", "west", "north", "south"):
        phases = [(-np.inf, LightStatus.RED), (9.0, LightStatus.GREEN)]
        if start in ("north", "south"):
            phases = [(-np.inf, LightStatus.GREEN), (5.0, LightStatus.YELLOW), (8.0, LightStatus.RED)]
        chains = [chain for chain in site.chains if chain.startswith(start)]
        lights.update(dict.fromkeys(site.connectors(*chains), phases))
    stage = _stage(
        "red_light", "stopping_at_traffic_light_without_lead", site, "west_to_east", ego, [car], lights=lights
    )
    return stage.record()


def t_junction() -> Recording:
    """The ego waits at the end of a side road for two cars, then turns left from 2.5 s on.

    Northbound, its front stands 1 m before the stop line, at y = -14. An eastbound car crosses x = 0 at 0.5 s,
    a westbound one at 1.5 s, both at 10 m/s. The ego speeds up to 6 m/s by 7.5 s over 15 m, has turned by 90
    degrees at 10 s, and speeds up to 10 m/s by 14 s. The turn is an arc of radius 13.75 m: 2.6 m/s2 sideways.
    """
    site = proving_ground().sites["t_junction"]
    changes = (
        SpeedChange(begin_s=2.5, duration_s=5.0, speed_mps=6.0),
        SpeedChange(begin_s=10.0, duration_s=4.0, speed_mps=10.0),
    )
    start_m = 220.0 - 14.0 - 4.049
    ego = _on(site, "south_to_west", start_m, SpeedProfile(start_mps=0.0, changes=changes), smoothing_m=2.0)
    cast = [
        _on(site, "west_to_east", 220.0 - 5.0, SpeedProfile(start_mps=10.0)),
        _on(site, "east_to_west", 220.0 - 15.0, SpeedProfile(start_mps=10.0)),
    ]
    return _stage("t_junction", "starting_left_turn", site, "south_to_west", ego, cast).record()


def roundabout() -> Recording:
    """Straight over at a roundabout, half around it, at 6 m/s, behind a car that leaves by the first exit.

    The rear axle reaches the give-way line at 1 s and drives at a radius of 18 m: 2 m/s2 to the left, and up to
    3.7 m/s2 to the right in the tighter bends on the way in and out. The car comes from the north, at 6 m/s
    too, and passes where the ego joins the ring 2.5 s before it.
    """
    site = proving_ground().sites["roundabout"]
    steady = SpeedProfile(start_mps=6.0, changes=(SpeedChange(begin_s=14.0, duration_s=3.0, speed_mps=8.0),))
    ego = _on(site, "west_to_east", 168.0 - 6.0, steady, smoothing_m=2.0)
    to_ring_m = SmoothPath(site.builder.path(site.chains["west_to_east"][:2])).length_m
    around_m = SmoothPath(site.builder.path(site.chains["north_to_south"][:4])).length_m
    ahead_m = around_m - (to_ring_m - (168.0 - 6.0)) + 15.0
    car = _on(site, "north_to_south", ahead_m, SpeedProfile(start_mps=6.0))
    return _stage("roundabout", "traversing_intersection", site, "west_to_east", ego, [car]).record()


def pedestrian_crossing() -> Recording:
    """The ego stops for a pedestrian on a crosswalk and drives on after them.

    The pedestrian, track 1, walks north at x = 62 with 1.25 m/s: on the road from 3.6 s to 9.2 s. The ego
    brakes from 10 m/s from 1 s to 6 s, stands with its front at x = 57, 3 m before the crosswalk, and speeds
    up to 8 m/s from 10 s to 16 s. A second one, on the northern footpath, is first seen at 5.0 s.
    """
    site = proving_ground().sites["crossing"]
    changes = (
        SpeedChange(begin_s=1.0, duration_s=5.0, speed_mps=0.0),
        SpeedChange(begin_s=10.0, duration_s=6.0, speed_mps=8.0),
    )
    ego = _on(site, "east_0", 57.0 - 4.049 - 35.0, SpeedProfile(start_mps=10.0, changes=changes))
    walk = SpeedProfile(start_mps=1.25)
    cast = [
        Driver(
            path=SmoothPath(np.array([[62.0, -20.0], [62.0, 40.0]])),
            start_m=12.0,
            speed=walk,
            kind=AgentKind.PEDESTRIAN,
        ),
        Driver(
            path=SmoothPath(np.array([[100.0, 6.0], [40.0, 6.0]])),
            start_m=0.0,
            speed=walk,
            kind=AgentKind.PEDESTRIAN,
            seen_s=(5.0, np.inf),
        ),
    ]
    stage = _stage("pedestrian_crossing", "waiting_for_pedestrian_to_cross", site, "east_0", ego, cast)
    return stage.record()


def parked_car() -> Recording:
    """A car is parked with 1 m of its width on the lane; the ego, at 8 m/s, passes with 0.70 m between them.

    The car covers x = 77.6 to 82.4, y = -4.5 to -2.5. The ego moves left by 1.1 m from x = 45 to 65 and back
    from x = 90 to 110. Beside the car its box reaches from y = -1.80 to 0.50, half a metre into the other lane.
    """
    site = proving_ground().sites["road"]
    out = shifted_aside(site.line("east_0"), WEST_END_M + 45.0, 20.0, 1.1)
    path = SmoothPath(shifted_aside(out, WEST_END_M + 90.0, 20.0, -1.1))
    ego = Driver(path=path, start_m=WEST_END_M, speed=SpeedProfile(start_mps=8.0))
    return _stage("parked_car", "following_lane_without_lead", site, "east_0", ego, [standing(80.0, -3.5)]).record()


def construction() -> Recording:
    """The right lane is closed; the ego, at 10 m/s, changes to the left one from 2 s to 6 s.

    It crosses the lane border, y = -3.5, with its rear axle at x = 40. A sign stands at x = 85, six cones close
    the lane from x = 90 to 110, eight barriers follow. The last cone is nearest: 0.70 m beside the ego.
    """
    site = proving_ground().sites["avenue"]
    path = SmoothPath(shifted_aside(site.line("east_1"), WEST_END_M + 20.0, 40.0, 3.5))
    ego = Driver(path=path, start_m=WEST_END_M, speed=SpeedProfile(start_mps=10.0))
    cones = [(90.0 + 4.0 * place, -6.6 + 0.56 * place) for place in range(6)]
    cast = [standing(85.0, -6.4, kind=AgentKind.CZONE_SIGN)]
    cast += [standing(x, y, kind=AgentKind.TRAFFIC_CONE) for x, y in cones]
    cast += [standing(113.0 + 3.0 * place, -3.95, kind=AgentKind.BARRIER) for place in range(8)]
    return _stage("construction", "changing_lane", site, "east_1", ego, cast).record()


SCENES: dict[str, Callable[[], Recording]] = {
    make.__name__: make
    for make in (
        straight_road,
        queue,
        cut_in,
        red_light,
        t_junction,
        roundabout,
        pedestrian_crossing,
        parked_car,
        construction,
    )
}
"""By name; each call makes a new recording on the same map."""


def _on(site: Site, chain: str, start_m: float, speed: SpeedProfile, smoothing_m: float = 0.0) -> Driver:
    """Somebody who follows a chain of lanes, `start_m` from its beginning (straight sites: from x = 0)."""
    straight_site = chain[:-1] in ("east_", "west_")
    path = SmoothPath(site.line(chain), smoothing_m)
    return Driver(path=path, start_m=start_m + (WEST_END_M if straight_site else 0.0), speed=speed)


def _stage(
    name: str,
    scenario_type: str,
    site: Site,
    chain: str,
    ego: Driver,
    cast: list[Driver],
    lights: dict[int, list[tuple[float, LightStatus]]] | None = None,
) -> Stage:
    return Stage(
        name=name,
        number=list(SCENES).index(name),
        scenario_type=scenario_type,
        map=proving_ground().map,
        origin=site.builder.origin,
        ego=ego,
        cast=cast,
        roadblock_ids=site.roadblocks(chain),
        lights=lights or {},
    )
