"""The plan of a town: junctions on a distorted grid, streets between them, and the right of way at each junction.

Coordinates are in the site frame: metres east and north of the town's south-west corner. Traffic keeps right.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from driving.geometry import arc_lengths
from driving.synthetic.curves import resampled
from simulation.generation.town.calibration import Calibration
from simulation.generation.town.paths import quintic

GridPoint = tuple[int, int]
"""Column and row of a junction."""
MIN_LANE_SCALE, MAX_LANE_SCALE = 0.8, 1.3
"""Lanes of 2.7 m, in which a bus of 2.55 m fits, to 4.7 m."""


@dataclass(frozen=True, kw_only=True)
class PlanStyle:
    """How the plan of a town differs from the one of `TownSettings` alone."""

    spacing_m: float
    """Mean distance between neighbouring junctions."""
    removed: float
    """Share of the inner streets that are removed."""
    profile_weights: tuple[float, float, float]
    """Relative frequency of arterials, collectors and locals, the ring road included."""

    def __post_init__(self) -> None:
        if min(self.profile_weights) < 0 or sum(self.profile_weights) <= 0 or not 0 <= self.removed < 1:
            raise ValueError(
                f"A plan needs weights of at least 0, one of them above, and a share below 1, got {self}."
            )


@dataclass(frozen=True, kw_only=True)
class TownSettings:
    """Size of a town, its traffic, and the length of its recordings."""

    columns: int = 6
    """Junctions from west to east."""
    rows: int = 6
    """Junctions from south to north."""
    spacing_m: float = 225.0
    """Mean distance between neighbouring junctions."""
    removed_links: int = 5
    """Streets removed from the grid; their junctions have three arms."""
    vehicles: int = 520
    """Moving cars, trucks and buses."""
    bicycles: int = 30
    pedestrians: int = 460
    bystanders: int = 0
    """Groups of people and bicycles that stand beside the road."""
    parked_share: float = 0.4
    """Share of parking places that are occupied."""
    warm_up_s: float = 60.0
    """Simulated time before the recorded interval."""
    recorded_s: float = 110.0
    """Length of the interval from which recordings are cut."""
    recording_s: float = 55.0
    """Length of one recording."""
    scenarios: int = 60
    """Tagged scenarios over all recordings of the town."""
    location: str = "us-nv-las-vegas-strip"
    """Place of the town; one of `LOCATIONS`."""
    lane_scales: tuple[float, float] = (1.0, 1.0)
    """Range of the factor of lane widths, drawn for each street that crosses the town."""
    style: PlanStyle | None = None
    """Distances and profiles of streets; set by `with_style`."""
    calibration: Calibration | None = None
    """Distributions of recorded traffic; set by `with_calibration`."""

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3:
            raise ValueError(f"A town needs at least 3 by 3 junctions, got {self.columns} by {self.rows}.")
        if self.bystanders < 0:
            raise ValueError(f"A town needs at least 0 groups of bystanders, got {self.bystanders}.")
        low, high = self.lane_scales
        if not MIN_LANE_SCALE <= low <= high <= MAX_LANE_SCALE:
            raise ValueError(
                f"Lane widths are multiplied by {MIN_LANE_SCALE} to {MAX_LANE_SCALE}, the lower number first,"
                f" got {low:g} and {high:g}."
            )
        if self.recording_s > self.recorded_s:
            raise ValueError(
                f"A recording of {self.recording_s} s does not fit into the recorded interval of {self.recorded_s} s."
            )


def small_town() -> TownSettings:
    """Settings of a town that is generated in seconds: one short recording, for tests of many seeds."""
    return TownSettings(
        columns=4,
        rows=3,
        removed_links=0,
        vehicles=110,
        bicycles=8,
        pedestrians=90,
        warm_up_s=30.0,
        recorded_s=45.0,
        recording_s=40.0,
        scenarios=4,
    )


class JunctionKind(IntEnum):
    """Right of way at a junction."""

    BEND = 0
    """Two arms: one street that turns a corner."""
    YIELD = 1
    """The street of lower rank yields."""
    ALL_WAY_STOP = 2
    SIGNAL = 3
    ROUNDABOUT = 4


@dataclass(frozen=True, kw_only=True)
class StreetProfile:
    """Cross-section of a street, the same in both directions."""

    rank: int
    """Streets of higher rank have the right of way."""
    lanes: int
    """Lanes per direction."""
    lane_width_m: float
    speed_limit_mps: float
    shoulder_m: float
    """Width of the drivable strip right of the lanes."""

    @property
    def half_width_m(self) -> float:
        """Distance from the dividing line to the kerb."""
        return self.lanes * self.lane_width_m + self.shoulder_m

    @property
    def has_parking(self) -> bool:
        """Whether the strip beside the lanes holds parked cars."""
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
    """A street between two neighbouring junctions, from `tail` to `head`."""

    tail: int
    head: int
    profile: StreetProfile
    curve: Float64[np.ndarray, "points 2"]
    """The dividing line from junction centre to junction centre, one point per metre."""
    length_m: float


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One end of a link at its junction."""

    link: int
    is_tail: bool
    """Whether the link starts at this junction."""
    heading: float
    """Direction out of the junction [rad]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Junction:
    """Crossing of streets."""

    center: Float64[np.ndarray, "2"]
    kind: JunctionKind
    arms: tuple[Arm, ...]
    """In counter-clockwise order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TownPlan:
    """Junctions and the links between them."""

    junctions: tuple[Junction, ...]
    links: tuple[Link, ...]

    def profiles_at(self, junction: int) -> list[StreetProfile]:
        """Profile of the street of each arm of a junction."""
        return [self.links[arm.link].profile for arm in self.junctions[junction].arms]


class _Edge(NamedTuple):
    """A link of the grid before its curve is drawn."""

    tail: GridPoint
    head: GridPoint
    profile: StreetProfile
    axis: int
    """0 for west to east, 1 for south to north."""


def plan_town(rng: np.random.Generator, settings: TownSettings) -> TownPlan:
    """Draw a town's plan. The outermost streets form a ring road, so that no street is a dead end."""
    columns, rows = settings.columns, settings.rows
    centers, headings = _junction_poses(rng, settings)
    if settings.style is None:
        across = _street_profiles(rng, rows)
        along = _street_profiles(rng, columns)
        ring = COLLECTORS[int(rng.integers(2))]
    else:
        across, along, (ring,) = (_drawn_profiles(rng, settings.style, count) for count in (rows, columns, 1))
    across, along, (ring,) = (_scaled(rng, profiles, settings.lane_scales) for profiles in (across, along, [ring]))
    # The ring road has one profile, because it continues around the corners.
    across[0] = across[-1] = along[0] = along[-1] = ring
    edges = [_Edge((i, j), (i + 1, j), across[j], 0) for j in range(rows) for i in range(columns - 1)]
    edges += [_Edge((i, j), (i, j + 1), along[i], 1) for i in range(columns) for j in range(rows - 1)]

    links = []
    for tail, head, profile, axis in _thinned(rng, edges, settings):
        start = np.array([*centers[tail], headings[tail][axis]])
        end = np.array([*centers[head], headings[head][axis]])
        curve = _street_curve(start, end, bulge_m=float(rng.uniform(-14.0, 14.0)))
        links.append(
            Link(
                tail=tail[1] * columns + tail[0],
                head=head[1] * columns + head[0],
                profile=profile,
                curve=curve,
                length_m=float(arc_lengths(curve)[-1]),
            )
        )
    return TownPlan(junctions=_junctions(rng, centers, links, settings), links=tuple(links))


def _junction_poses(
    rng: np.random.Generator, settings: TownSettings
) -> tuple[dict[GridPoint, np.ndarray], dict[GridPoint, np.ndarray]]:
    """Centres, and the headings of the eastbound and the northbound street there."""
    centers, headings = {}, {}
    for j in range(settings.rows):
        for i in range(settings.columns):
            offset = rng.uniform(-0.11, 0.11, 2) * settings.spacing_m
            centers[i, j] = np.array([i, j]) * settings.spacing_m + offset
            headings[i, j] = np.array([0.0, np.pi / 2]) + rng.uniform(-0.13, 0.13, 2)
    return centers, headings


def _street_profiles(rng: np.random.Generator, count: int) -> list[StreetProfile]:
    """Profiles of parallel streets, at least one of them an arterial. The caller replaces the first and the last."""
    inner = max(count - 2, 1)
    profiles = [ARTERIALS[int(rng.integers(len(ARTERIALS)))]]
    for number in range(1, inner):
        family = COLLECTORS if number % 2 == 1 else LOCALS
        profiles.append(family[int(rng.integers(len(family)))])
    order = rng.permutation(inner)
    rim = COLLECTORS[0]
    return [rim, *[profiles[place] for place in order], rim]


def _drawn_profiles(rng: np.random.Generator, style: PlanStyle, count: int) -> list[StreetProfile]:
    """Profiles by the weights of a style."""
    weights = np.array(style.profile_weights) / sum(style.profile_weights)
    families = rng.choice(3, count, p=weights).tolist()
    return [
        family[int(rng.integers(len(family)))] for family in ((ARTERIALS, COLLECTORS, LOCALS)[k] for k in families)
    ]


def _scaled(
    rng: np.random.Generator, profiles: list[StreetProfile], scales: tuple[float, float]
) -> list[StreetProfile]:
    """Profiles with wider or narrower lanes; equal ends of the range draw nothing."""
    if scales[0] == scales[1]:
        return [replace(profile, lane_width_m=scales[0] * profile.lane_width_m) for profile in profiles]
    return [replace(profile, lane_width_m=rng.uniform(*scales) * profile.lane_width_m) for profile in profiles]


def with_style(settings: TownSettings, style: PlanStyle) -> TownSettings:
    """Settings of a town with the same number of junctions, as many agents per metre of street, and another plan."""
    inner = (settings.columns - 1) * (settings.rows - 2) + (settings.columns - 2) * (settings.rows - 1)
    share = style.spacing_m / settings.spacing_m
    return replace(
        settings,
        style=style,
        spacing_m=style.spacing_m,
        removed_links=round(style.removed * inner),
        vehicles=round(share * settings.vehicles),
        bicycles=round(share * settings.bicycles),
        pedestrians=round(share * settings.pedestrians),
    )


def _thinned(rng: np.random.Generator, edges: list[_Edge], settings: TownSettings) -> list[_Edge]:
    """Remove edges between inner junctions, at most one per junction, so that each keeps three arms."""

    def is_inner(point: GridPoint) -> bool:
        return 0 < point[0] < settings.columns - 1 and 0 < point[1] < settings.rows - 1

    used: list[GridPoint] = []
    removed: list[int] = []
    for number in rng.permutation(len(edges)).tolist():
        tail, head, profile, _ = edges[number]
        if len(removed) == settings.removed_links:
            break
        if profile.rank < 2 and is_inner(tail) and is_inner(head) and tail not in used and head not in used:
            removed.append(number)
            used += [tail, head]
    return [edge for number, edge in enumerate(edges) if number not in removed]


def _street_curve(
    start: Float64[np.ndarray, "3"], end: Float64[np.ndarray, "3"], bulge_m: float
) -> Float64[np.ndarray, "points 2"]:
    """A street with a bulge in its middle; both ends keep their heading."""
    line = quintic(start, end, samples=401)
    u = np.linspace(0.0, 1.0, len(line))[:, np.newaxis]
    chord = (end[:2] - start[:2]) / np.hypot(*(end[:2] - start[:2]))
    side = np.array([-chord[1], chord[0]])
    return resampled(line + bulge_m * 64 * u**3 * (1 - u) ** 3 * side, 1.0)


def _junctions(
    rng: np.random.Generator, centers: dict[GridPoint, np.ndarray], links: list[Link], settings: TownSettings
) -> tuple[Junction, ...]:
    arms: list[list[Arm]] = [[] for _ in range(settings.columns * settings.rows)]
    for number, link in enumerate(links):
        out, back = link.curve[1] - link.curve[0], link.curve[-2] - link.curve[-1]
        arms[link.tail].append(Arm(link=number, is_tail=True, heading=float(np.arctan2(out[1], out[0]))))
        arms[link.head].append(Arm(link=number, is_tail=False, heading=float(np.arctan2(back[1], back[0]))))
    junctions = []
    for number, around in enumerate(arms):
        point = (number % settings.columns, number // settings.columns)
        ordered = tuple(sorted(around, key=lambda arm: arm.heading))
        kind = _junction_kind(rng, [links[arm.link].profile for arm in ordered], ordered)
        junctions.append(Junction(center=centers[point], kind=kind, arms=ordered))
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
