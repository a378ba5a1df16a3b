"""Obstacles of CommonRoad XML as observations of agents.

Formats 2017a and 2018b have `<obstacle>` with a `<role>`; 2020a has `<dynamicObstacle>`, `<staticObstacle>`,
`<environmentObstacle>` and `<phantomObstacle>`. A moving obstacle has a trajectory of states, or a set of
occupancies: the areas that it covers over time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import shapely
from jaxtyping import Float64, Int64

from driving.agents import AgentKind
from driving.geometry import global_from_local
from driving.importers.agent_tracks import TrackSamples
from driving.importers.commonroad_values import SHAPES, Box, area_of, box_around, position, quantity, rectangle_of
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import SIZE_BOUNDS, possible_sizes
from driving.importers.places import Place

KIND_OF_TYPE = {
    **dict.fromkeys(("car", "truck", "bus", "taxi", "priorityVehicle", "parkedVehicle", "train"), AgentKind.VEHICLE),
    **dict.fromkeys(("motorcycle", "bicycle"), AgentKind.BICYCLE),
    "pedestrian": AgentKind.PEDESTRIAN,
    "constructionZone": AgentKind.CZONE_SIGN,
    **dict.fromkeys(("roadBoundary", "medianStrip", "median_strip"), AgentKind.BARRIER),
    **dict.fromkeys(("building", "pillar", "unknown"), AgentKind.GENERIC_OBJECT),
}
"""nuPlan's kinds for the obstacle types."""

ROLE_OF_TAG = {"dynamicObstacle": "dynamic", "staticObstacle": "static", "environmentObstacle": "environment"}
"""Roles in format 2020a."""

MIN_MOVE_M = 0.02
"""Shortest motion between two states that gives a heading."""

RECTANGLE_FILL = 0.99
"""A shape that covers this part of its box is a rectangle; the remainder is rounding of its points."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Obstacle:
    """An obstacle with its states, in the frame of the file."""

    obstacle_id: str
    kind: str
    """Type in the file."""
    is_static: bool
    """Whether its only state holds for the whole scenario."""
    may_be_ego: bool
    """Whether all states come from a trajectory and none from an occupied area."""
    steps: Float64[np.ndarray, "states"]
    """Time steps of the states, rising. The middle of an interval of steps need not be an integer."""
    poses: Float64[np.ndarray, "states 3"]
    """Box centres."""
    sizes: Float64[np.ndarray, "states 2"]
    speeds_mps: Float64[np.ndarray, "states"]
    """NaN where the file has none."""

    def samples(self, start_us: int, step_us: int, place: Place) -> TrackSamples:
        """The states as global observations."""
        return TrackSamples(
            track_id=self.obstacle_id,
            kind=KIND_OF_TYPE[self.kind],
            time_us=self.times_us(start_us, step_us),
            poses=place.poses_to_global(self.poses),
            sizes=self.sizes,
            z_m=np.zeros(len(self.steps)),
            speeds_mps=self.speeds_mps,
            is_standing=self.is_static,
        )

    def times_us(self, start_us: int, step_us: int) -> Int64[np.ndarray, "states"]:
        """Times of the states."""
        return start_us + np.round(step_us * self.steps).astype(np.int64)


def read_obstacles(root: ElementTree.Element, notes: ImportNotes) -> list[Obstacle]:
    """The readable obstacles of a file. Unreadable ones are noted as left out, with the reason."""
    obstacles = []
    for element in root:
        if element.tag == "phantomObstacle":
            notes.add(NoteKind.LEFT_OUT, "phantom obstacles, which stand for unobserved areas", element.get("id"))
        elif element.tag == "obstacle" or element.tag in ROLE_OF_TAG:
            try:
                obstacles.append(_obstacle(element, notes))
            except ValueError as error:
                notes.add(NoteKind.LEFT_OUT, "obstacles that cannot be read", f"{element.get('id')} ({error})")
    return obstacles


class _State(NamedTuple):
    """One state of an obstacle, before its box is known."""

    step: float
    position: Float64[np.ndarray, "2"]
    heading: float
    """NaN where the file has none."""
    speed_mps: float
    area: shapely.Geometry | None = None
    """Occupied area; None where the obstacle's own shape holds."""


def _obstacle(element: ElementTree.Element, notes: ImportNotes) -> Obstacle:
    name = str(element.get("id"))
    kind = element.findtext("type", "").strip()
    if kind not in KIND_OF_TYPE:
        raise ValueError(f"unknown type {kind!r}; known: {', '.join(sorted(KIND_OF_TYPE))}")
    role = ROLE_OF_TAG.get(element.tag) or element.findtext("role", "dynamic").strip()
    if role not in ROLE_OF_TAG.values():
        raise ValueError(f"unknown role {role!r}; known: dynamic, static")
    if role == "environment":
        # Its shape is in the frame of the file and holds at all times.
        states = [_State(0.0, np.zeros(2), 0.0, 0.0)]
    else:
        states = _states([*element.findall("initialState"), *element.findall("trajectory/state")], name, notes)
    has_trajectory = bool(states)
    if role == "dynamic":
        states += _occupancies(element, name, notes)
    if not states:
        raise ValueError("no state")
    states = _in_order(states, name, notes)
    shape = _box_of_shape(element, role != "dynamic", notes) if has_trajectory else None
    positions = np.array([state.position for state in states])
    headings = headings_along(positions, np.array([state.heading for state in states]))
    boxes = [_box_at(state, heading, shape) for state, heading in zip(states, headings.tolist(), strict=True)]
    return Obstacle(
        obstacle_id=name,
        kind=kind,
        is_static=role != "dynamic",
        may_be_ego=has_trajectory and all(state.area is None for state in states),
        steps=np.array([state.step for state in states]),
        poses=np.array([[*box.center, box.heading] for box in boxes]),
        sizes=np.array([[box.length_m, box.width_m] for box in boxes]),
        speeds_mps=np.array([state.speed_mps for state in states]),
    )


def _states(elements: Sequence[ElementTree.Element], name: str, notes: ImportNotes) -> list[_State]:
    states, inexact = [], 0
    for element in elements:
        try:
            step, place = _time_step(element), position(element)
            heading, speed = (quantity(element, tag) or (np.nan, False) for tag in ("orientation", "velocity"))
        except ValueError as error:
            notes.add(NoteKind.LEFT_OUT, "states of obstacles that cannot be read", f"{name} ({error})")
            continue
        inexact += any(is_inexact for _, is_inexact in (step, place, heading, speed))
        states.append(_State(step[0], place[0], heading[0], speed[0]))
    if inexact:
        notes.add(NoteKind.CHANGED, "states given as areas and intervals are replaced by their middle", name, inexact)
    if any(np.isnan(state.heading) for state in states):
        notes.add(NoteKind.ASSUMED, "headings along the motion for states without orientation", name)
    return states


def _occupancies(element: ElementTree.Element, name: str, notes: ImportNotes) -> list[_State]:
    states = []
    for occupancy in element.findall("occupancySet/occupancy"):
        try:
            step, _ = _time_step(occupancy)
            area = area_of(_child(occupancy, "shape"), "occupancy")
        except ValueError as error:
            notes.add(NoteKind.LEFT_OUT, "occupancies of obstacles that cannot be read", f"{name} ({error})")
            continue
        states.append(_State(step, np.array(area.centroid.coords[0]), np.nan, np.nan, area))
    if states:
        sentence = "occupied areas are replaced by boxes around them with headings along the motion"
        notes.add(NoteKind.CHANGED, sentence, name, len(states))
    return states


def _time_step(element: ElementTree.Element) -> tuple[float, bool]:
    step = quantity(element, "time")
    if step is None:
        raise ValueError("no time")
    return step


def _in_order(states: list[_State], name: str, notes: ImportNotes) -> list[_State]:
    ordered = sorted(states, key=lambda state: state.step)
    kept = [state for row, state in enumerate(ordered) if row == 0 or state.step > ordered[row - 1].step]
    if len(kept) < len(states):
        sentence = "states of obstacles at a time step that the obstacle has already"
        notes.add(NoteKind.LEFT_OUT, sentence, name, len(states) - len(kept))
    return kept


def _child(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    child = element.find(tag)
    if child is None:
        raise ValueError(f"no {tag}")
    return child


def _box_of_shape(element: ElementTree.Element, is_static: bool, notes: ImportNotes) -> Box:
    """The box of an obstacle's shape, relative to its states."""
    shape = _child(element, "shape")
    box = rectangle_of(shape, "shape")
    if box is None:
        # A moving obstacle is headed along the x axis of its shape; a standing one has the smallest box.
        box = box_around(area_of(shape, "shape"), None if is_static else 0.0, "shape")
    size_text = f"{box.length_m:g} x {box.width_m:g} m"
    if not possible_sizes(np.array([[box.length_m, box.width_m]])).all():
        raise ValueError(f"a shape of {size_text}; lengths and widths of {SIZE_BOUNDS} are possible")
    if area_of(shape, "shape").area < RECTANGLE_FILL * box.length_m * box.width_m:
        outline = " and ".join(child.tag for child in shape if child.tag in SHAPES)
        item = f"{element.get('id')} ({outline}, box {size_text})"
        notes.add(NoteKind.CHANGED, "shapes that are no rectangle are replaced by boxes around them", item)
    return box


def _box_at(state: _State, heading: float, shape: Box | None) -> Box:
    if state.area is not None:
        return box_around(state.area, heading, "occupancy")
    assert shape is not None
    center = global_from_local(shape.center, np.array([*state.position, heading]))
    return shape._replace(center=center, heading=heading + shape.heading)


def headings_along(
    positions: Float64[np.ndarray, "states 2"], known: Float64[np.ndarray, "states"]
) -> Float64[np.ndarray, "states"]:
    """Headings of states: the known ones, else the direction of motion, else that of the nearest state with one.

    Args:
        positions: In order of time.
        known: NaN where unknown.

    Raises:
        ValueError: When no state has a heading and the positions do not move.
    """
    headings = known.copy()
    if len(positions) > 1:
        moves = np.gradient(positions, axis=0)
        moving = np.isnan(known) & (np.hypot(*moves.T) > MIN_MOVE_M)
        headings[moving] = np.arctan2(moves[moving, 1], moves[moving, 0])
    found = np.flatnonzero(np.isfinite(headings))
    if not len(found):
        raise ValueError("no orientation and no motion")
    nearest = np.abs(np.arange(len(headings))[:, np.newaxis] - found).argmin(axis=1)
    return headings[found[nearest]]
