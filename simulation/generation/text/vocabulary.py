"""The controlled vocabulary: the terms of a condition, and the words and phrases that stand for them.

The grammar is built from these tables, and `docs/text_scenarios.md` lists them. A phrase is written in lower case and
without articles; a space in it also matches a hyphen and an article.
"""

from enum import StrEnum


class ActorKind(StrEnum):
    """Road users and objects."""

    CAR = "car"
    TRUCK = "truck"
    BUS = "bus"
    MOTORCYCLE = "motorcycle"
    CYCLIST = "cyclist"
    PEDESTRIAN = "pedestrian"
    CONE = "cone"
    BARRIER = "barrier"


class Manoeuvre(StrEnum):
    """Behaviour of an agent."""

    CROSS = "cross"
    BRAKE = "brake"
    BRAKE_HARD = "brake_hard"
    STOP = "stop"
    STAND = "stand"
    PARK = "park"
    CUT_IN = "cut_in"
    CUT_OUT = "cut_out"
    OVERTAKE = "overtake"
    MERGE = "merge"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    RUN_RED = "run_red"
    WRONG_LANE = "wrong_lane"
    FOLLOW = "follow"
    DRIVE = "drive"
    WAIT = "wait"
    WALK = "walk"


class EgoManoeuvre(StrEnum):
    """What the ego's route requires."""

    STRAIGHT = "straight"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    CHANGE_LANE = "change_lane"
    MERGE = "merge"


class Relation(StrEnum):
    """Place of an agent relative to the ego, or the side that it comes from."""

    AHEAD = "ahead"
    BEHIND = "behind"
    LEFT = "left"
    RIGHT = "right"
    BESIDE = "beside"
    ONCOMING = "oncoming"


class RoadType(StrEnum):
    """Kind of road around the ego."""

    STRAIGHT = "straight_road"
    NARROW = "narrow_street"
    MULTI_LANE = "multi_lane_road"
    JUNCTION = "junction"
    CROSSWALK = "crosswalk"
    RAMP = "ramp"


class TimeOfDay(StrEnum):
    """Light of the camera images."""

    DAY = "day"
    DUSK = "dusk"
    NIGHT = "night"


class Weather(StrEnum):
    """Weather of the camera images."""

    CLEAR = "clear"
    OVERCAST = "overcast"
    WET = "wet"
    RAIN = "rain"
    FOG = "fog"


def _forms(*verbs: str) -> tuple[str, ...]:
    """Present, plural and participle of verb phrases: `brake hard` gives `brakes hard` and `braking hard` too."""
    forms = []
    for phrase in verbs:
        verb, space, rest = phrase.partition(" ")
        double = verb in ("cut", "run", "stop")
        stem = verb + verb[-1] if double else verb.removesuffix("e") if not verb.endswith("ee") else verb
        third = f"{verb}es" if verb.endswith(("ss", "o")) else f"{verb}s"
        forms += [f"{form}{space}{rest}" for form in (verb, third, f"{stem}ing")]
    return tuple(forms)


KINDS: dict[ActorKind, tuple[str, ...]] = {
    ActorKind.CAR: ("car", "cars", "vehicle", "vehicles", "van", "vans", "taxi", "taxis"),
    ActorKind.TRUCK: ("truck", "trucks", "lorry", "lorries"),
    ActorKind.BUS: ("bus", "buses"),
    ActorKind.MOTORCYCLE: ("motorcycle", "motorcycles", "motorbike", "motorbikes", "motorcyclist", "motorcyclists"),
    ActorKind.CYCLIST: ("cyclist", "cyclists", "bicycle", "bicycles", "bike", "bikes"),
    ActorKind.PEDESTRIAN: ("pedestrian", "pedestrians", "person", "persons", "people"),
    ActorKind.CONE: ("cone", "cones", "traffic cone", "traffic cones"),
    ActorKind.BARRIER: ("barrier", "barriers"),
}
MANOEUVRES: dict[Manoeuvre, tuple[str, ...]] = {
    Manoeuvre.CROSS: _forms("cross", "cross road", "cross street", "step out", "step onto road", "walk across"),
    Manoeuvre.BRAKE: _forms("brake", "slow down", "brake softly", "brake gently"),
    Manoeuvre.BRAKE_HARD: (
        *_forms("brake hard", "brake sharply", "brake suddenly", "slam on brakes"),
        *("hard braking", "suddenly brakes"),
    ),
    Manoeuvre.STOP: _forms("stop", "come to stop", "come to halt"),
    Manoeuvre.STAND: (
        *_forms("stand", "stand in lane", "stand in ego lane", "stand on road", "block lane", "block road"),
        *("broken down", "stopped", "stationary", "stopped in lane", "stopped in ego lane", "stalled", "on road"),
    ),
    Manoeuvre.PARK: ("parked", "park", "parks", "parked at roadside", "parked at kerb", "at roadside"),
    Manoeuvre.CUT_IN: _forms("cut in", "cut in front of ego", "change into ego lane", "move into ego lane"),
    Manoeuvre.CUT_OUT: _forms("cut out", "leave ego lane", "swerve around standing car"),
    Manoeuvre.OVERTAKE: _forms("overtake", "pass", "overtake ego", "pass ego"),
    Manoeuvre.MERGE: _forms("merge", "join from ramp", "merge from ramp"),
    Manoeuvre.TURN_LEFT: _forms("turn left"),
    Manoeuvre.TURN_RIGHT: _forms("turn right"),
    Manoeuvre.RUN_RED: (
        *_forms("run red light", "run red", "run light", "ignore red light", "run traffic light"),
        *("ran red light",),
    ),
    Manoeuvre.WRONG_LANE: (
        *_forms("come towards ego in ego lane", "drive towards ego in ego lane", "drive on wrong side"),
        *("in ego lane", "oncoming in ego lane", "in wrong lane", "on wrong side"),
    ),
    Manoeuvre.FOLLOW: _forms("follow", "tailgate", "follow ego", "tailgate ego"),
    Manoeuvre.DRIVE: _forms("drive", "move", "travel"),
    Manoeuvre.WAIT: (*_forms("wait", "wait at roadside", "wait at kerb"), "stands at roadside", "stand at roadside"),
    Manoeuvre.WALK: _forms("walk", "walk along road", "walk along street"),
}
EGO_MANOEUVRES: dict[EgoManoeuvre, tuple[str, ...]] = {
    EgoManoeuvre.STRAIGHT: _forms("go straight", "go straight on", "drive straight"),
    EgoManoeuvre.CHANGE_LANE: _forms("change lane", "change lanes"),
}
"""Only the manoeuvres that agents do not have; the ego also turns left or right, and merges."""
EGO_WORDS = ("ego", "ego car", "ego vehicle", "we", "our car", "our vehicle")
RELATIONS: dict[Relation, tuple[str, ...]] = {
    Relation.AHEAD: ("ahead", "ahead of ego", "in front", "in front of ego", "leading", "lead"),
    Relation.BEHIND: ("behind", "behind ego", "from behind"),
    Relation.LEFT: ("from left", "from left side", "on left", "to left", "in left lane", "on left side"),
    Relation.RIGHT: ("from right", "from right side", "on right", "to right", "in right lane", "on right side"),
    Relation.BESIDE: ("beside", "beside ego", "next to ego", "alongside", "in next lane"),
    Relation.ONCOMING: ("oncoming", "from ahead", "in oncoming lane", "towards ego", "comes towards ego"),
}
ROADS: dict[RoadType, tuple[str, ...]] = {
    RoadType.STRAIGHT: ("straight road", "straight street"),
    RoadType.NARROW: ("narrow street", "narrow road", "single lane road"),
    RoadType.MULTI_LANE: ("multi lane road", "multilane road", "avenue", "wide road", "arterial"),
    RoadType.JUNCTION: ("junction", "intersection", "crossroads"),
    RoadType.CROSSWALK: ("crosswalk", "zebra crossing", "pedestrian crossing"),
    RoadType.RAMP: ("ramp", "on ramp", "motorway ramp", "highway ramp"),
}
SIGNAL_PHRASES: dict[str, tuple[str, ...]] = {
    "green": ("green light", "light is green", "signal is green", "traffic light is green", "green signal"),
    "red": ("red light", "light is red", "signal is red", "traffic light is red", "red signal"),
    "none": (
        "no traffic light",
        "no signal",
        "no lights",
        "without signal",
        "without traffic lights",
        "unsignalised",
    ),
}
"""`none` stands for a junction without traffic lights."""
DENSITIES: dict[str, tuple[str, ...]] = {
    "low": ("sparse traffic", "light traffic", "little traffic", "low density", "no traffic", "sparse"),
    "medium": ("normal traffic", "medium traffic", "moderate traffic", "medium density"),
    "high": ("dense traffic", "heavy traffic", "busy traffic", "high density", "traffic is dense", "dense"),
}
TIMES_OF_DAY: dict[TimeOfDay, tuple[str, ...]] = {
    TimeOfDay.DAY: ("day", "daytime", "daylight", "by day", "noon", "morning"),
    TimeOfDay.DUSK: ("dusk", "dawn", "evening", "sunset", "twilight"),
    TimeOfDay.NIGHT: ("night", "at night", "dark", "darkness"),
}
WEATHERS: dict[Weather, tuple[str, ...]] = {
    Weather.CLEAR: ("clear", "sunny", "dry", "clear weather"),
    Weather.OVERCAST: ("overcast", "cloudy", "clouds"),
    Weather.WET: ("wet", "wet road", "wet street", "after rain"),
    Weather.RAIN: ("rain", "rainy", "raining", "heavy rain", "in rain"),
    Weather.FOG: ("fog", "foggy", "mist", "misty", "in fog"),
}
NUMBERS = {
    word: number
    for number, words in {
        1: ("one", "single"),
        2: ("two", "couple of", "pair of"),
        3: ("three", "several"),
        4: ("four",),
        5: ("five",),
        6: ("six",),
        7: ("seven",),
        8: ("eight",),
        9: ("nine",),
        10: ("ten",),
    }.items()
    for word in words
}
ARTICLES = ("a", "an", "the", "its", "their", "his", "her", "another")
FILLERS = (
    *("while", "and", "as", "then", "when", "with", "at", "in", "on", "of", "is", "are", "there", "that", "which"),
    *("it", "by", "during", "also", "but", "under", "has", "have", "must", "near", "to", "for", "after", "later"),
    *("road", "street", "weather", "conditions"),
)
"""Words without a meaning of their own."""
UNITS_TO_SI = {
    "distance": {"m": 1.0, "metres": 1.0, "metre": 1.0, "meters": 1.0, "meter": 1.0, "ft": 0.3048, "feet": 0.3048},
    "speed": {"km/h": 1 / 3.6, "kmh": 1 / 3.6, "kph": 1 / 3.6, "m/s": 1.0, "mps": 1.0, "mph": 0.44704},
    "time": {"s": 1.0, "sec": 1.0, "seconds": 1.0, "second": 1.0},
}
