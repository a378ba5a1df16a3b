"""CommonRoad scenarios (XML, format 2020a): lanelets, obstacles with trajectories, and no recorded ego.

One of the recorded cars becomes the ego: the one that a caller names, or else the one nearest to the start of
the planning problem among those that are there for the longest time.

Source: Althoff, Koschi, Manzinger, "CommonRoad: Composable Benchmarks for Motion Planning on Roads", 2017, and
its file format documentation 2020a.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind
from driving.geometry import shifted_along_heading
from driving.importers.assemble import recording_of
from driving.importers.commonroad_map import MOTORWAY_SPEED_MPS, number, read_map, read_place
from driving.importers.smoothing import TrackSamples, ego_motion, grid_times, tracks_on_grid
from driving.recording import Recording
from driving.timing import STEP_US
from driving.vehicle import PACIFICA

KIND_OF_TYPE = {
    **dict.fromkeys(("car", "truck", "bus", "taxi", "priorityVehicle", "parkedVehicle", "train"), AgentKind.VEHICLE),
    **dict.fromkeys(("motorcycle", "bicycle"), AgentKind.BICYCLE),
    "pedestrian": AgentKind.PEDESTRIAN,
    "constructionZone": AgentKind.CZONE_SIGN,
    **dict.fromkeys(("roadBoundary", "medianStrip", "median_strip"), AgentKind.BARRIER),
    **dict.fromkeys(("building", "pillar", "unknown"), AgentKind.GENERIC_OBJECT),
}
"""nuPlan's kinds for the obstacle types."""

EGO_KINDS = ("car", "taxi", "priorityVehicle", "truck", "bus")
"""Types that may become the ego."""

LONG_PRESENCE = 0.9
"""A car is there for long with this part of the steps that the longest-seen car has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Obstacle:
    obstacle_id: str
    kind: str
    size_m: tuple[float, float]
    steps: Int64[np.ndarray, "states"]
    """Time steps of the states."""
    poses: Float64[np.ndarray, "states 3"]
    """Box centres in the file's frame."""
    speeds_mps: Float64[np.ndarray, "states"]


def find_scenarios(source: Path) -> list[Path]:
    """Scenario files in a folder, or the one that is named.

    Raises:
        FileNotFoundError: When there is none.
    """
    if source.is_file():
        return [source]
    files = sorted(source.rglob("*.xml"))
    if not files:
        raise FileNotFoundError(f"No CommonRoad scenario (*.xml) in {source}.")
    return files


def import_recording(source: Path, ego: str | None = None) -> Recording:
    """Read one scenario.

    Args:
        source: The file.
        ego: Id of the obstacle that becomes the ego; None chooses one.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no CommonRoad XML 2020a, or has no car that could be the ego.
        KeyError: When it has no obstacle of the id `ego`.
    """
    root = _read(source)
    step_us = round(number(root.get("timeStepSize", "0.1"), "timeStepSize") * 1e6)
    obstacles = [_obstacle(element) for element in root if element.tag in ("dynamicObstacle", "staticObstacle")]
    chosen, why = _ego(obstacles, root, ego, source)
    place = read_place(root)
    name = root.get("benchmarkID") or source.stem

    start_us = _start_us(root)
    first_us, last_us = start_us + step_us * int(chosen.steps[0]), start_us + step_us * int(chosen.steps[-1])
    time_us = grid_times(first_us, last_us)
    centers = _at(time_us - start_us, chosen.steps * step_us, chosen.poses)
    # The recorded box and nuPlan's ego share their centres.
    rear_axles = shifted_along_heading(place.poses_to_global(centers), -PACIFICA.rear_axle_to_center_m)
    graph = read_map(root, name, place, rear_axles)
    smoothed = ego_motion(time_us, rear_axles)
    last_step = max(int(obstacle.steps[-1]) for obstacle in obstacles)
    others = [
        _samples(obstacle, step_us, start_us, place.poses_to_global(obstacle.poses), last_step)
        for obstacle in obstacles
        if obstacle is not chosen
    ]
    return recording_of(
        log_name=f"commonroad-{name}",
        map_graph=graph,
        ego=smoothed.motion,
        agents=tracks_on_grid(time_us, others),
        metadata={
            "source": f"CommonRoad {name}, {root.get('source', 'source unknown')};"
            f" by {root.get('author', 'unknown')}",
            "driving_side": "right",
            **place.metadata,
            "ego": f"car {chosen.obstacle_id} of the recording, {why}; nuPlan's ego has its box centre",
            "ego_path": smoothed.note,
            "agents": "obstacles of the file; velocities by central differences",
            "light_cycles": "not used: they were added to the recording by its editors",
        },
        recorded_size_m=chosen.size_m,
    )


def _read(path: Path) -> ElementTree.Element:
    if not path.is_file():
        raise FileNotFoundError(f"No CommonRoad file {path}.")
    text = path.read_bytes()
    # A document type can define entities that fill the memory or read other files.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError(f"{path} has a document type; CommonRoad files have none, so that it is refused.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is no complete XML file: {error}.") from error
    if root.tag != "commonRoad":
        raise ValueError(f"{path} is no CommonRoad file: its root is <{root.tag}>.")
    version = root.get("commonRoadVersion")
    if version != "2020a":
        raise ValueError(f"{path} is of CommonRoad version {version}; 2020a is read.")
    return root


def _start_us(root: ElementTree.Element) -> int:
    """Noon of the file's date: scenarios name no time of day."""
    date = datetime.fromisoformat(root.get("date", "2000-01-01"))
    return round(date.replace(hour=12, tzinfo=UTC).timestamp() * 1e6)


def _obstacle(element: ElementTree.Element) -> _Obstacle:
    name = str(element.get("id"))
    kind = element.findtext("type", "").strip()
    if kind not in KIND_OF_TYPE:
        raise ValueError(f"Obstacle {name} is of the unknown type {kind!r}; known: {sorted(KIND_OF_TYPE)}.")
    states = [*element.findall("initialState"), *element.findall("trajectory/state")]
    if not states:
        raise ValueError(f"Obstacle {name} has no state.")
    rows = sorted((_state(state, name) for state in states), key=lambda row: row[0])
    table = np.array(rows, dtype=np.float64)
    return _Obstacle(
        obstacle_id=name,
        kind=kind,
        size_m=_size_m(element, name),
        steps=table[:, 0].astype(np.int64),
        poses=table[:, 1:4],
        speeds_mps=table[:, 4],
    )


def _size_m(element: ElementTree.Element, name: str) -> tuple[float, float]:
    length, width = element.findtext("shape/rectangle/length"), element.findtext("shape/rectangle/width")
    if length is not None and width is not None:
        return number(length, f"length of obstacle {name}"), number(width, f"width of obstacle {name}")
    radius = element.findtext("shape/circle/radius")
    if radius is None:
        raise ValueError(f"Obstacle {name} is no rectangle and no circle; other shapes are not read.")
    return 2 * number(radius, f"radius of obstacle {name}"), 2 * number(radius, f"radius of obstacle {name}")


def _state(element: ElementTree.Element, name: str) -> tuple[float, ...]:
    where = f"state of obstacle {name}"
    paths = ("time/exact", "position/point/x", "position/point/y", "orientation/exact")
    values = [element.findtext(path) for path in paths]
    if None in values:
        missing = paths[values.index(None)]
        raise ValueError(f"A {where} has no {missing}: only exact states can be replayed.")
    return (
        *(number(str(value), where) for value in values),
        number(element.findtext("velocity/exact", "nan"), where, is_finite=False),
    )


def _ego(
    obstacles: Sequence[_Obstacle], root: ElementTree.Element, wanted: str | None, source: Path
) -> tuple[_Obstacle, str]:
    """The obstacle that becomes the ego, and why it."""
    moving = {obstacle.obstacle_id: obstacle for obstacle in obstacles if len(obstacle.steps) > 1}
    if wanted is not None:
        if wanted not in moving:
            raise KeyError(f"{source} has no moving obstacle {wanted!r} to be the ego; it has {sorted(moving)}.")
        return moving[wanted], "as asked for"
    cars = [obstacle for obstacle in moving.values() if obstacle.kind in EGO_KINDS]
    if not cars:
        raise ValueError(f"{source} has no recorded car that could be the ego.")
    longest = max(len(car.steps) for car in cars)
    cars = [car for car in cars if len(car.steps) >= LONG_PRESENCE * longest]
    x = root.findtext("planningProblem/initialState/position/point/x")
    y = root.findtext("planningProblem/initialState/position/point/y")
    if x is None or y is None:
        return max(cars, key=lambda car: len(car.steps)), "the one that is seen longest"
    start = np.array([number(x, "planning problem"), number(y, "planning problem")])
    chosen = min(cars, key=lambda car: float(np.hypot(*(car.poses[0, :2] - start))))
    gap_m = float(np.hypot(*(chosen.poses[0, :2] - start)))
    return chosen, f"the long-seen car nearest to the planning problem's start ({gap_m:.1f} m)"


def _at(
    wanted_us: Int64[np.ndarray, "time"],
    known_us: Int64[np.ndarray, "states"],
    poses: Float64[np.ndarray, "states 3"],
) -> Float64[np.ndarray, "time 3"]:
    columns = (poses[:, 0], poses[:, 1], np.unwrap(poses[:, 2]))
    return np.stack([np.interp(wanted_us, known_us, column) for column in columns], axis=-1)


def _samples(
    obstacle: _Obstacle, step_us: int, start_us: int, poses: Float64[np.ndarray, "states 3"], last_step: int
) -> TrackSamples:
    steps = obstacle.steps
    if len(steps) == 1:
        # A static obstacle stands where it is for the whole scenario.
        steps = np.arange(int(steps[0]), last_step + 1, max(1, STEP_US // step_us))
        poses = np.repeat(poses, len(steps), axis=0)
    return TrackSamples(
        track_id=obstacle.obstacle_id,
        kind=KIND_OF_TYPE[obstacle.kind],
        time_us=start_us + step_us * steps,
        poses=poses,
        sizes=np.tile(np.array(obstacle.size_m), (len(steps), 1)),
        z_m=np.zeros(len(steps)),
        height_m=1.6,
    )


__all__ = ["MOTORWAY_SPEED_MPS", "find_scenarios", "import_recording"]
