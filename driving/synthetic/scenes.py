"""Hand-made scenes with known results, which their docstrings state.

`scene("queue")` returns the scenario. Time 0 is iteration 0; x and y are in the frame of the scene's site. The ego's
front is 4.049 m ahead of its rear axle. Cars of the scenes are 4.8 m long and 2 m wide.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from driving.agents import AgentKind, LightStatus
from driving.names import unknown_name
from driving.recording import Recording
from driving.scenario import Scenario
from driving.synthetic.motion import SmoothPath, SpeedChange, SpeedProfile, shifted_aside
from driving.synthetic.proving_ground import Site, proving_ground
from driving.synthetic.scene_script import SceneScript
from driving.synthetic.scripted_track import ScriptedTrack, standing_track

WEST_END_M = 120.0
"""Arc length at x = 0 on the eastbound lanes of the straight sites."""


def scene(name: str) -> Scenario:
    """The scenario of a hand-made scene.

    Raises:
        KeyError: When there is no scene of that name.
    """
    if name not in SCENES:
        raise KeyError(unknown_name("scene named", name, SCENES))
    return SCENES[name]().scenarios()[0]


def straight_road() -> Recording:
    """The ego drives alone on a straight road at 10 m/s: its rear axle is at x = 10 t, y = -1.75.

    150 m of progress, no acceleration, no traffic light, no agent; the limit is 13.89 m/s.
    """
    site = proving_ground().sites["road"]
    ego = _following(site, "east_0", 0.0, SpeedProfile(start_mps=10.0))
    return _recording("straight_road", "following_lane_without_lead", site=site, chain="east_0", ego=ego)


def queue() -> Recording:
    """Three cars stand ahead; the ego brakes from 10 m/s and stops 3 m behind the last one.

    At time 0 the gap is 58 m, 5.8 s at 10 m/s. The ego brakes from 3 s to 8 s over 25 m, by at most 3.14 m/s2, and
    then stands with its rear axle at x = 55; the gap is 3 m.
    """
    site = proving_ground().sites["road"]
    speed = SpeedProfile(start_mps=10.0, changes=(SpeedChange(begin_s=3.0, duration_s=5.0, speed_mps=0.0),))
    agents = [standing_track(62.049 + 2.4 + 6.8 * place, -1.75) for place in range(3)]
    ego = _following(site, "east_0", 0.0, speed)
    return _recording("queue", "stopping_with_lead", site=site, chain="east_0", ego=ego, agents=agents)


def cut_in() -> Recording:
    """A slower car changes from the left lane to the ego's lane; the ego slows from 12 m/s to the car's 10 m/s.

    At time 0 the car is 27 m ahead (rear to front) in the left lane. It changes lane from 3 s to 6 s; the ego slows
    from 4 s to 8 s. Afterwards the gap stays at 14.7 m, 1.47 s: the speed difference takes 12 m, the longer path of
    the lane change 0.3 m.
    """
    site = proving_ground().sites["avenue"]
    speed = SpeedProfile(start_mps=12.0, changes=(SpeedChange(begin_s=4.0, duration_s=4.0, speed_mps=10.0),))
    start_m = WEST_END_M + 27.0 + 4.049 + 2.4
    aside = shifted_aside(site.line("east_0"), start_m + 30.0, 30.0, -3.5)
    car = ScriptedTrack(path=SmoothPath(aside), start_m=start_m, speed=SpeedProfile(start_mps=10.0))
    ego = _following(site, "east_1", 0.0, speed)
    return _recording("cut_in", "following_lane_with_lead", site=site, chain="east_1", ego=ego, agents=[car])


def red_light() -> Recording:
    """The ego stops at a red light, which turns green at 9.0 s, and starts again at 10 s.

    It brakes from 10 m/s from 2 s to 7 s and stands with its front at x = -18, 2 m before the stop line. From 10 s to
    16 s it accelerates to 8 m/s over 24 m. East and west are red up to iteration 89 and green from 90 on; north and
    south are green, yellow from 5.0 s, red from 8.0 s. A northbound car crosses the centre at 4 s.
    """
    site = proving_ground().sites["crossroads"]
    changes = (
        SpeedChange(begin_s=2.0, duration_s=5.0, speed_mps=0.0),
        SpeedChange(begin_s=10.0, duration_s=6.0, speed_mps=8.0),
    )
    ego = _following(site, "west_to_east", 220.0 - 18.0 - 4.049 - 45.0, SpeedProfile(start_mps=10.0, changes=changes))
    car = _following(site, "south_to_north", 220.0 - 4.0 * 8.0, SpeedProfile(start_mps=8.0))
    lights = {}
    for start in ("east", "west", "north", "south"):
        phases = [(-np.inf, LightStatus.RED), (9.0, LightStatus.GREEN)]
        if start in ("north", "south"):
            phases = [(-np.inf, LightStatus.GREEN), (5.0, LightStatus.YELLOW), (8.0, LightStatus.RED)]
        chains = [chain for chain in site.chains if chain.startswith(start)]
        lights.update(dict.fromkeys(site.connectors(*chains), phases))
    return _recording(
        "red_light",
        "stopping_at_traffic_light_without_lead",
        site=site,
        chain="west_to_east",
        ego=ego,
        agents=[car],
        lights=lights,
    )


def t_junction() -> Recording:
    """The ego waits at the end of a side road for two cars and turns left from 2.5 s on.

    It points north with its front at y = -14, 1 m before the stop line. An eastbound car crosses x = 0 at 0.5 s, a
    westbound one at 1.5 s, both at 10 m/s. The ego accelerates to 6 m/s until 7.5 s over 15 m, has turned by 90
    degrees at 10 s, and accelerates to 10 m/s until 14 s. The turn is an arc of radius 13.75 m with 2.6 m/s2 of
    lateral acceleration.
    """
    site = proving_ground().sites["t_junction"]
    changes = (
        SpeedChange(begin_s=2.5, duration_s=5.0, speed_mps=6.0),
        SpeedChange(begin_s=10.0, duration_s=4.0, speed_mps=10.0),
    )
    start_m = 220.0 - 14.0 - 4.049
    ego = _following(site, "south_to_west", start_m, SpeedProfile(start_mps=0.0, changes=changes), smoothing_m=2.0)
    agents = [
        _following(site, "west_to_east", 220.0 - 5.0, SpeedProfile(start_mps=10.0)),
        _following(site, "east_to_west", 220.0 - 15.0, SpeedProfile(start_mps=10.0)),
    ]
    return _recording("t_junction", "starting_left_turn", site=site, chain="south_to_west", ego=ego, agents=agents)


def roundabout() -> Recording:
    """The ego takes the second exit of a roundabout, half around it, at 6 m/s, behind another car.

    The rear axle reaches the give-way line at 1 s and drives at a radius of 18 m: 2 m/s2 to the left, and up to
    3.7 m/s2 to the right in the tighter bends at entry and exit. The car enters from the north at 6 m/s, passes the
    ego's entry 2.5 s before the ego and leaves by the first exit after it.
    """
    site = proving_ground().sites["roundabout"]
    steady = SpeedProfile(start_mps=6.0, changes=(SpeedChange(begin_s=14.0, duration_s=3.0, speed_mps=8.0),))
    ego = _following(site, "west_to_east", 168.0 - 6.0, steady, smoothing_m=2.0)
    to_ring_m = SmoothPath(site.builder.path(site.chains["west_to_east"][:2])).length_m
    around_m = SmoothPath(site.builder.path(site.chains["north_to_south"][:4])).length_m
    ahead_m = around_m - (to_ring_m - (168.0 - 6.0)) + 15.0
    car = _following(site, "north_to_south", ahead_m, SpeedProfile(start_mps=6.0))
    return _recording("roundabout", "traversing_intersection", site=site, chain="west_to_east", ego=ego, agents=[car])


def pedestrian_crossing() -> Recording:
    """The ego stops for a pedestrian on a crosswalk and starts again afterwards.

    The pedestrian, track 1, walks north at x = 62 with 1.25 m/s and is on the road from 3.6 s to 9.2 s. The ego
    brakes from 10 m/s from 1 s to 6 s, stands with its front at x = 57, 3 m before the crosswalk, and accelerates to
    8 m/s from 10 s to 16 s. A second pedestrian, on the northern footpath, is first observed at 5.0 s.
    """
    site = proving_ground().sites["crossing"]
    changes = (
        SpeedChange(begin_s=1.0, duration_s=5.0, speed_mps=0.0),
        SpeedChange(begin_s=10.0, duration_s=6.0, speed_mps=8.0),
    )
    ego = _following(site, "east_0", 57.0 - 4.049 - 35.0, SpeedProfile(start_mps=10.0, changes=changes))
    walk = SpeedProfile(start_mps=1.25)
    agents = [
        ScriptedTrack(
            path=SmoothPath(np.array([[62.0, -20.0], [62.0, 40.0]])),
            start_m=12.0,
            speed=walk,
            kind=AgentKind.PEDESTRIAN,
        ),
        ScriptedTrack(
            path=SmoothPath(np.array([[100.0, 6.0], [40.0, 6.0]])),
            start_m=0.0,
            speed=walk,
            kind=AgentKind.PEDESTRIAN,
            seen_s=(5.0, np.inf),
        ),
    ]
    return _recording(
        "pedestrian_crossing", "waiting_for_pedestrian_to_cross", site=site, chain="east_0", ego=ego, agents=agents
    )


def parked_car() -> Recording:
    """A parked car covers 1 m of the lane; the ego passes it at 8 m/s with a gap of 0.70 m.

    The car covers x = 77.6 to 82.4, y = -4.5 to -2.5. The ego moves left by 1.1 m from x = 45 to 65 and back from
    x = 90 to 110. Beside the car its box covers y = -1.80 to 0.50, half a metre of the oncoming lane.
    """
    site = proving_ground().sites["road"]
    out = shifted_aside(site.line("east_0"), WEST_END_M + 45.0, 20.0, 1.1)
    path = SmoothPath(shifted_aside(out, WEST_END_M + 90.0, 20.0, -1.1))
    ego = ScriptedTrack(path=path, start_m=WEST_END_M, speed=SpeedProfile(start_mps=8.0))
    return _recording(
        "parked_car",
        "following_lane_without_lead",
        site=site,
        chain="east_0",
        ego=ego,
        agents=[standing_track(80.0, -3.5)],
    )


def construction() -> Recording:
    """The right lane is closed; the ego changes to the left lane from 2 s to 6 s at 10 m/s.

    Its rear axle crosses the lane border, y = -3.5, at x = 40. A sign stands at x = 85; six cones close the lane from
    x = 90 to 110; eight barriers follow. The last cone is nearest: 0.70 m beside the ego.
    """
    site = proving_ground().sites["avenue"]
    path = SmoothPath(shifted_aside(site.line("east_1"), WEST_END_M + 20.0, 40.0, 3.5))
    ego = ScriptedTrack(path=path, start_m=WEST_END_M, speed=SpeedProfile(start_mps=10.0))
    cones = [(90.0 + 4.0 * place, -6.6 + 0.56 * place) for place in range(6)]
    agents = [standing_track(85.0, -6.4, kind=AgentKind.CZONE_SIGN)]
    agents += [standing_track(x, y, kind=AgentKind.TRAFFIC_CONE) for x, y in cones]
    agents += [standing_track(113.0 + 3.0 * place, -3.95, kind=AgentKind.BARRIER) for place in range(8)]
    return _recording("construction", "changing_lane", site=site, chain="east_1", ego=ego, agents=agents)


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
"""Scenes by name. Each call builds a new recording on the same map."""


def _following(
    site: Site, chain: str, start_m: float, speed: SpeedProfile, smoothing_m: float = 0.0
) -> ScriptedTrack:
    """A track along a chain of lanes, at time 0 `start_m` behind the start of the chain (straight sites: x = 0)."""
    straight_site = chain[:-1] in ("east_", "west_")
    path = SmoothPath(site.line(chain), smoothing_m)
    return ScriptedTrack(path=path, start_m=start_m + (WEST_END_M if straight_site else 0.0), speed=speed)


def _recording(
    name: str,
    scenario_type: str,
    *,
    site: Site,
    chain: str,
    ego: ScriptedTrack,
    agents: Sequence[ScriptedTrack] = (),
    lights: Mapping[int, Sequence[tuple[float, LightStatus]]] | None = None,
) -> Recording:
    """The recording of a scene with a route along a chain of the site."""
    return SceneScript(
        name=name,
        number=list(SCENES).index(name),
        scenario_type=scenario_type,
        map=proving_ground().map,
        origin=site.builder.origin,
        ego=ego,
        agents=agents,
        roadblock_ids=site.roadblocks(chain),
        lights=lights or {},
    ).record()
