"""The plan of a town: junctions on a warped grid, the streets between them, and how each junction is ruled.

Everything is in the site frame: metres east and north of the town's south-west corner. Traffic keeps right.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from driving.geometry import arc_lengths
from simulation.generation.town.paths import evenly, quintic


@dataclass(frozen=True, kw_only=True)
class TownSettings:
    """How large a town is, how full its streets, and how long it is watched."""

    columns: int = 6
    """Junctions from west to east."""
    rows: int = 6
    """Junctions from south to north."""
    spacing_m: float = 225.0
    """Mean distance between neighbouring junctions."""
    removed_links: int = 5
    """Streets left out of the grid, so that some junctions have three arms."""
    vehicles: int = 520
    """Moving cars, trucks and buses."""
    bicycles: int = 30
    pedestrians: int = 460
    parked_share: float = 0.4
    """Share of the parking places that are taken."""
    warm_up_s: float = 60.0
    """Time that traffic runs before anybody records."""
    watched_s: float = 110.0
    """Time that is recorded."""
    recording_s: float = 55.0
    """Length of one recording."""
    scenarios: int = 60
    """Tagged scenarios, over all recordings of the town."""
    location: str = "us-nv-las-vegas-strip"
    """Name of the map; one of `LOCATIONS`."""

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3:
            raise ValueError(f"A town needs at least 3 by 3 junctions, got {self.columns} by {self.rows}.")
        if self.recording_s > self.watched_s:
            raise ValueError(f"Recordings of {self.recording_s} s do not fit into {self.watched_s} s of watching.")


def small_town() -> TownSettings:
    """A town that is made in a second: enough for one short recording, and to try many seeds."""
    return TownSettings(
        columns=4,
        rows=3,
        removed_links=0,
        vehicles=110,
        bicycles=8,
        pedestrians=90,
        warm_up_s=30.0,
        watched_s=45.0,
        recording_s=40.0,
        scenarios=4,
    )


class JunctionKind(IntEnum):
    """How a junction is ruled."""

    BEND = 0
    """Two arms: the street goes round a corner."""
    YIELD = 1
    """The smaller street gives way."""
    ALL_WAY_STOP = 2
    SIGNAL = 3
    ROUNDABOUT = 4


@dataclass(frozen=True, kw_only=True)
class StreetProfile:
    """The cross-section of a street, the same in both directions."""

    rank: int
    """Larger streets have the right of way over smaller ones."""
    lanes: int
    """Lanes each way."""
    lane_width_m: float
    speed_limit_mps: float
    shoulder_m: float
    """Drivable strip right of the lanes; from 2 m on people park there."""

    @property
    def half_width_m(self) -> float:
        """From the dividing line to the kerb."""
        return self.lanes * self.lane_width_m + self.shoulder_m

    @property
    def has_parking(self) -> bool:
        """Whether the strip beside the lanes is wide enough for parked cars."""
        return self.shoulder_m >= 2.0


ARTERIALS = (
    StreetProfile(rank=2, lanes=3, lane_width_m=3.5, speed_limit_mps=17.9, shoulder_m=0.8),
    StreetProfile(rank=2, lanes=2, lane_width_m=3.6, speed_limit_mps=22.0, shoulder_m=1.2),
)
COLLECTORS = (
    StreetProfile(rank=1, lanes=2, lane_width_m=3.4, speed_limit_mps=13.4, shoulder_m=0.6),
    StreetProfile(rank=1, lanes=1, lane_width_m=3.6, speed_limit_mps=13.4, shoulder_m=2.4),
)
LOCALS = (
    StreetProfile(rank=0, lanes=1, lane_width_m=3.4, speed_limit_mps=11.2, shoulder_m=2.4),
    StreetProfile(rank=0, lanes=1, lane_width_m=3.4, speed_limit_mps=8.3, shoulder_m=2.4),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """A piece of street between two junctions, from `tail` to `head`."""

    tail: int
    head: int
    profile: StreetProfile
    curve: np.ndarray
    """(points, 2) the dividing line from junction centre to junction centre, about every metre."""
    length_m: float


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One street as its junction sees it."""

    link: int
    is_tail: bool
    """Whether the link starts here."""
    heading: float
    """Direction out of the junction [rad]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Junction:
    """Where streets meet. Arms are in counter-clockwise order."""

    center: np.ndarray
    kind: JunctionKind
    arms: tuple[Arm, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TownPlan:
    """Junctions and the links between them."""

    junctions: tuple[Junction, ...]
    links: tuple[Link, ...]


def plan_town(rng: np.random.Generator, settings: TownSettings) -> TownPlan:
    """Draw a town's plan. The rim is one ring road, so that no street ends in the fields."""
    columns, rows = settings.columns, settings.rows
    centers, headings = _junction_places(rng, settings)
    across = _street_profiles(rng, rows)
    along = _street_profiles(rng, columns)
    # The ring road has one profile all around, as it runs on around the corners.
    across[0] = across[-1] = along[0] = along[-1] = COLLECTORS[int(rng.integers(2))]
    pairs = [((i, j), (i + 1, j), across[j], 0) for j in range(rows) for i in range(columns - 1)]
    pairs += [((i, j), (i, j + 1), along[i], 1) for i in range(columns) for j in range(rows - 1)]
    pairs = _without_some(rng, pairs, settings)

    links = []
    for tail, head, profile, axis in pairs:
        start = np.array([*centers[tail], headings[tail][axis]])
        end = np.array([*centers[head], headings[head][axis]])
        curve = _street_curve(start, end, bulge_m=float(rng.uniform(-14.0, 14.0)))
        number = {"tail": tail[1] * columns + tail[0], "head": head[1] * columns + head[0]}
        links.append(Link(**number, profile=profile, curve=curve, length_m=float(arc_lengths(curve)[-1])))
    return TownPlan(junctions=_junctions(rng, centers, links, settings), links=tuple(links))


def _junction_places(
    rng: np.random.Generator, settings: TownSettings
) -> tuple[dict[tuple[int, int], np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """Centres, and the directions of the east-going and the north-going street there."""
    centers, headings = {}, {}
    for j in range(settings.rows):
        for i in range(settings.columns):
            wobble = rng.uniform(-0.11, 0.11, 2) * settings.spacing_m
            centers[i, j] = np.array([i, j]) * settings.spacing_m + wobble
            headings[i, j] = np.array([0.0, np.pi / 2]) + rng.uniform(-0.13, 0.13, 2)
    return centers, headings


def _street_profiles(rng: np.random.Generator, count: int) -> list[StreetProfile]:
    """One arterial in each direction at least; the others mixed. The first and last are set by the caller."""
    inner = max(count - 2, 1)
    profiles = [ARTERIALS[int(rng.integers(len(ARTERIALS)))]]
    for rank in range(1, inner):
        family = COLLECTORS if rank % 2 == 1 else LOCALS
        profiles.append(family[int(rng.integers(len(family)))])
    order = rng.permutation(inner)
    rim = COLLECTORS[0]
    return [rim, *[profiles[place] for place in order], rim]


def _without_some(rng: np.random.Generator, pairs: list, settings: TownSettings) -> list:
    """Leave out links between inner junctions, at most one per junction, so that all keep three arms or more."""

    def is_inner(place: tuple[int, int]) -> bool:
        return 0 < place[0] < settings.columns - 1 and 0 < place[1] < settings.rows - 1

    touched: list[tuple[int, int]] = []
    removed: list[int] = []
    for number in rng.permutation(len(pairs)).tolist():
        tail, head, profile, _ = pairs[number]
        if len(removed) == settings.removed_links:
            break
        if profile.rank < 2 and is_inner(tail) and is_inner(head) and tail not in touched and head not in touched:
            removed.append(number)
            touched += [tail, head]
    return [pair for number, pair in enumerate(pairs) if number not in removed]


def _street_curve(start: np.ndarray, end: np.ndarray, bulge_m: float) -> np.ndarray:
    """A street that leaves and arrives straight and swings out in between."""
    line = quintic(start, end, samples=401)
    u = np.linspace(0.0, 1.0, len(line))[:, np.newaxis]
    chord = (end[:2] - start[:2]) / np.hypot(*(end[:2] - start[:2]))
    side = np.array([-chord[1], chord[0]])
    return evenly(line + bulge_m * 64 * u**3 * (1 - u) ** 3 * side, 1.0)


def _junctions(
    rng: np.random.Generator,
    centers: dict[tuple[int, int], np.ndarray],
    links: list[Link],
    settings: TownSettings,
) -> tuple[Junction, ...]:
    arms: list[list[Arm]] = [[] for _ in range(settings.columns * settings.rows)]
    for number, link in enumerate(links):
        out, back = link.curve[1] - link.curve[0], link.curve[-2] - link.curve[-1]
        arms[link.tail].append(Arm(link=number, is_tail=True, heading=float(np.arctan2(out[1], out[0]))))
        arms[link.head].append(Arm(link=number, is_tail=False, heading=float(np.arctan2(back[1], back[0]))))
    junctions = []
    for number, around in enumerate(arms):
        place = (number % settings.columns, number // settings.columns)
        ordered = tuple(sorted(around, key=lambda arm: arm.heading))
        kind = _junction_kind(rng, [links[arm.link].profile for arm in ordered], ordered)
        junctions.append(Junction(center=centers[place], kind=kind, arms=ordered))
    return tuple(junctions)


def _junction_kind(rng: np.random.Generator, profiles: list[StreetProfile], arms: tuple[Arm, ...]) -> JunctionKind:
    if len(arms) == 2:
        return JunctionKind.BEND
    draw = rng.uniform()
    headings = np.array([arm.heading for arm in arms])
    gaps = np.diff(np.append(headings, headings[0] + 2 * np.pi))
    if max(profile.lanes for profile in profiles) == 1:
        if gaps.min() > np.radians(74.0) and draw < 0.5:
            return JunctionKind.ROUNDABOUT
        ranks = {profile.rank for profile in profiles}
        return JunctionKind.ALL_WAY_STOP if len(ranks) == 1 and draw > 0.7 else JunctionKind.YIELD
    wide = sum(profile.lanes > 1 for profile in profiles)
    if wide >= 3 or max(profile.rank for profile in profiles) == 2 or draw < 0.6:
        return JunctionKind.SIGNAL
    return JunctionKind.YIELD
