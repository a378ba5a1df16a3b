"""Sixty sentences and, written by hand, the facts that a scenario of each must show; and what reads these facts.

Facts are separated by `;`. An event is `KIND MANOEUVRE [RELATION] [xCOUNT] [DISTANCEm] [SPEEDkm/h] [TIMEs]`; the
others are `density LEVEL`, `signal PHASE`, `road ROAD`, `ego MANOEUVRE`, `ego SPEEDkm/h`, time of day, weather.
They are read here and not by the grammar, so that a fact that the grammar loses is measured all the same.
"""

import re
from typing import Any

from simulation.generation.condition import SceneCondition
from simulation.generation.text.condition import AppearanceCondition, EventCondition, TextCondition
from simulation.generation.text.vocabulary import (
    ActorKind,
    EgoManoeuvre,
    Manoeuvre,
    Relation,
    RoadType,
    TimeOfDay,
    Weather,
)

SENTENCES: tuple[tuple[str, str], ...] = (
    (
        "a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic",
        "cyclist cross right; car brake_hard ahead; night; wet; density high",
    ),
    (
        "three pedestrians cross from the left at a crosswalk, dusk, fog",
        "pedestrian cross left x3; road crosswalk; dusk; fog",
    ),
    (
        "A car 12 m ahead brakes hard after 2 s and stops; the ego drives at 30 km/h.",
        "car brake_hard ahead 12m 2s; car stop ahead; ego 30km/h",
    ),
    (
        "an oncoming truck turns left at a junction, the traffic light is green",
        "truck turn_left oncoming; road junction; signal green",
    ),
    ("a stopped bus ahead on a narrow street, by day", "bus stand ahead; road narrow_street; day"),
    (
        "two parked cars on the right and a pedestrian waits on the right",
        "car park right x2; pedestrian wait right",
    ),
    (
        "the ego turns left, three oncoming cars, no traffic light",
        "ego turn_left; car drive oncoming x3; signal none",
    ),
    ("the leading car brakes after 3 s, foggy", "car brake ahead 3s; fog"),
    ("a truck runs the red light from the left at night", "truck run_red left; night"),
    (
        "a motorcycle overtakes on the left at 60 km/h, the ego drives at 40 km/h",
        "motorcycle overtake left 60km/h; ego 40km/h",
    ),
    ("an oncoming car is in the ego's lane on a narrow street", "car wrong_lane oncoming; road narrow_street"),
    ("a car cuts in from the left in dense traffic", "car cut_in left; density high"),
    ("the ego must change lanes in heavy traffic, rain", "ego change_lane; density high; rain"),
    ("the ego merges from a ramp, overcast", "ego merge; road ramp; overcast"),
    ("the traffic light is red, dense traffic, night", "signal red; density high; night"),
    ("a bus ahead stops at a red light", "bus stop ahead; signal red"),
    ("a truck merges from the right, sunny day", "truck merge right; day; clear"),
    ("a van cuts in from the right and brakes", "car cut_in right; car brake ahead"),
    ("a pedestrian crosses from the right after 4 s in rain", "pedestrian cross right 4s; rain"),
    ("two cyclists cross from the left, sparse traffic", "cyclist cross left x2; density low"),
    (
        "the car in front of the ego slams on the brakes while a truck follows",
        "car brake_hard ahead; truck follow behind",
    ),
    ("a lorry 20 m ahead, a car in the left lane", "truck drive ahead 20m; car drive left"),
    ("the ego turns right at an intersection, a pedestrian waits", "ego turn_right; road junction; pedestrian wait"),
    (
        "a car crosses from the left at a junction without traffic lights",
        "car cross left; road junction; signal none",
    ),
    ("a bus crosses from the right, no signal, dusk", "bus cross right; signal none; dusk"),
    (
        "a motorcycle cuts in from the left at 30 km/h, the ego drives at 40 km/h",
        "motorcycle cut_in left 30km/h; ego 40km/h",
    ),
    ("the leading truck cuts out on a multi-lane road", "truck cut_out ahead; road multi_lane_road"),
    ("two cars overtake, the ego drives at 30 km/h", "car overtake x2; ego 30km/h"),
    ("three traffic cones block the lane on an avenue", "cone stand x3; road multi_lane_road"),
    ("a broken down truck ahead on a multi-lane road, heavy rain", "truck stand ahead; road multi_lane_road; rain"),
    ("a stationary motorcycle 40 m ahead, clear night", "motorcycle stand ahead 40m; night; clear"),
    (
        "four pedestrians walk on the right, a cyclist crosses from the left",
        "pedestrian walk right x4; cyclist cross left",
    ),
    ("a taxi ahead slows down, an oncoming bus", "car brake ahead; bus drive oncoming"),
    ("a cyclist 15 m ahead at 15 km/h, the ego drives at 30 km/h", "cyclist drive ahead 15m 15km/h; ego 30km/h"),
    ("a car runs a red light from the right, two cars behind", "car run_red right; car follow behind x2"),
    ("a cyclist runs the red light from the left in the evening", "cyclist run_red left; dusk"),
    ("an oncoming car turns left, no traffic light, wet road", "car turn_left oncoming; signal none; wet"),
    (
        "a truck from the right turns right at a crossroads without signal",
        "truck turn_right right; road junction; signal none",
    ),
    ("a car from the left turns left, no lights, dense traffic", "car turn_left left; signal none; density high"),
    ("a pedestrian crosses from the left at a red light", "pedestrian cross left; signal red"),
    (
        "two pedestrians cross from the right on a zebra crossing, busy traffic",
        "pedestrian cross right x2; road crosswalk; density high",
    ),
    ("a motorcycle drives towards the ego in the ego's lane at dawn", "motorcycle wrong_lane oncoming; dusk"),
    ("a truck follows, the car ahead stops, cloudy", "truck follow behind; car stop ahead; overcast"),
    ("green light, normal traffic, the ego goes straight", "signal green; density medium; ego straight"),
    (
        "the ego turns left at a green light, two oncoming trucks",
        "ego turn_left; signal green; truck drive oncoming x2",
    ),
    ("the ego turns right, a cyclist crosses from the right, fog", "ego turn_right; cyclist cross right; fog"),
    ("a pedestrian steps out from the right, two parked cars", "pedestrian cross right; car park x2"),
    (
        "a barrier and two cones in front, two cars in the left lane",
        "barrier stand; cone stand ahead x2; car drive left x2",
    ),
    ("a bus 30 m ahead stops after 2 s, a car overtakes on the left", "bus stop ahead 30m 2s; car overtake left"),
    ("a person crosses from the left 30 m ahead, the ego drives at 8 m/s", "pedestrian cross left 30m; ego 28.8km/h"),
    (
        "a bike crosses from the right at 18 km/h, daylight, moderate traffic",
        "cyclist cross right 18km/h; day; density medium",
    ),
    (
        "the vehicle ahead brakes sharply, a motorcycle beside the ego",
        "car brake_hard ahead; motorcycle drive beside",
    ),
    ("two trucks merge from the right on a ramp at night", "truck merge right x2; road ramp; night"),
    ("the ego must change lanes, light traffic, foggy dusk", "ego change_lane; density low; fog; dusk"),
    (
        "a car ahead brakes gently, a pedestrian walks on the left, rain",
        "car brake ahead; pedestrian walk left; rain",
    ),
    ("a bus ahead at 25 km/h, sparse traffic, overcast day", "bus drive ahead 25km/h; density low; overcast; day"),
    (
        "a car tailgates 10 m behind while a cyclist crosses from the left",
        "car follow behind 10m; cyclist cross left",
    ),
    (
        "red light, a pedestrian crosses from the right and a cyclist crosses from the left",
        "signal red; pedestrian cross right; cyclist cross left",
    ),
    (
        "an oncoming motorcycle turns left in front of the ego at a junction with a green light",
        "motorcycle turn_left oncoming; road junction; signal green",
    ),
    (
        "straight road, the car ahead is braking hard after 3 s, two oncoming cars, twilight",
        "road straight_road; car brake_hard ahead 3s; car drive oncoming x2; dusk",
    ),
)


def expected_of(facts: str) -> TextCondition:
    """The facts of a sentence as a condition, which `facts_of` measures."""
    scene: dict[str, Any] = {}
    looks: dict[str, Any] = {}
    found: dict[str, Any] = {}
    events: list[EventCondition] = []
    for fact in (one.strip() for one in facts.split(";")):
        name, *rest = fact.split()
        if name == "density":
            scene["density"] = rest[0]
        elif name == "signal":
            found |= {"has_signal": False} if rest[0] == "none" else {}
            scene |= {} if rest[0] == "none" else {"signal": rest[0]}
        elif name == "road":
            found["road"] = RoadType(rest[0])
        elif name == "ego" and rest[0].endswith("km/h"):
            speed_mps = float(rest[0].removesuffix("km/h")) / 3.6
            scene["ego_speed_mps"] = (speed_mps, speed_mps)
        elif name == "ego":
            found["ego"] = EgoManoeuvre(rest[0])
        elif name in set(TimeOfDay):
            looks["time_of_day"] = TimeOfDay(name)
        elif name in set(Weather):
            looks["weather"] = Weather(name)
        else:
            events.append(_event(name, rest))
    appearance = AppearanceCondition(**looks)
    return TextCondition(scene=SceneCondition(**scene), events=tuple(events), appearance=appearance, **found)


def _event(kind: str, rest: list[str]) -> EventCondition:
    values: dict[str, Any] = {"manoeuvres": (Manoeuvre(rest[0]),)}
    for word in rest[1:]:
        number = re.match(r"x?([\d.]+)", word)
        if number is None:
            values["relation"] = Relation(word)
        elif word.startswith("x"):
            values["count"] = int(number[1])
        elif word.endswith("km/h"):
            values["speed_mps"] = float(number[1]) / 3.6
        else:
            values["time_s" if word.endswith("s") else "distance_m"] = float(number[1])
    return EventCondition(kind=ActorKind(kind), **values)
