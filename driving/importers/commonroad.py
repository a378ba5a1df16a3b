"""CommonRoad scenarios (XML of the formats 2017a, 2018b and 2020a): lanelets and obstacles, without a recorded ego.

One of the recorded cars becomes the ego: the car that the caller names, or else the one nearest to the start of the
planning problem among the cars that are observed longest.

Source: Althoff, Koschi, Manzinger, "CommonRoad: Composable Benchmarks for Motion Planning on Roads", 2017; file
format documentation 2018b and 2020a; reader and schema of commonroad-io.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from driving.geometry import shifted_along_heading
from driving.importers.agent_tracks import tracks_on_grid
from driving.importers.assemble import recording_of
from driving.importers.commonroad_map import read_map, read_place
from driving.importers.commonroad_obstacles import Obstacle, read_obstacles
from driving.importers.commonroad_values import number, position
from driving.importers.ego_path import ego_motion, ego_on_grid
from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes, NoteKind
from driving.recording import Recording
from driving.vehicle import PACIFICA

VERSIONS = ("2017a", "2018b", "2020a")
"""Format versions that can be read."""

EGO_TYPES = ("car", "taxi", "priorityVehicle", "truck", "bus")
"""Obstacle types that may become the ego."""

LONG_PRESENCE = 0.9
"""Cars that are observed for this part of the longest observation are candidates for the ego."""

DATE_FORMATS = ("%Y-%m-%d", "%d-%b-%Y")
"""Dates of 2018b and 2020a, and of 2017a."""

LEFT_HAND_TRAFFIC = "AUS CYP GBR HKG IDN IMN IND IRL JAM JEY JPN KEN MAC MLT MYS NPL NZL PAK SGP THA ZAF"
"""Countries with left-hand traffic.

Source: commonroad-io, `LEFT_HAND_TRAFFIC`."""


def find_scenarios(source: Path) -> list[Path]:
    """Scenario files in a folder at any depth, or the one file that is named.

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
        ego: Id of the obstacle that becomes the ego; None selects one.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no CommonRoad XML of a known version, or has no car that could be the ego.
        KeyError: When it has no moving obstacle of the id `ego`.
    """
    notes = ImportNotes()
    with notes.attached_to_errors():
        return _recording(source, ego, notes)


def _recording(source: Path, ego: str | None, notes: ImportNotes) -> Recording:
    root = _read(source)
    step_us = _step_us(root, source)
    start_us = _start_us(root, notes)
    benchmark_id = root.get("benchmarkID") or source.stem
    name, country = file_name(benchmark_id, notes), benchmark_id.removeprefix("C-")[:3]
    obstacles = read_obstacles(root, notes)
    try:
        chosen, reason = _select_ego(obstacles, root, ego)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    place = read_place(root, notes)

    path = ego_on_grid(chosen.times_us(start_us, step_us), chosen.poses, notes)
    # The recorded box and nuPlan's ego share their centres.
    rear_axles = shifted_along_heading(place.poses_to_global(path.poses), -PACIFICA.rear_axle_to_center_m)
    graph = read_map(root, name, place, rear_axles, notes)
    smoothed = ego_motion(path.time_us, rear_axles, path.interval_us)
    frame_us = start_us + step_us * np.arange(2, dtype=np.int64)
    agents = [obstacle.samples(start_us, step_us, place) for obstacle in obstacles if obstacle is not chosen]
    return recording_of(
        log_name=f"commonroad-{name}",
        map_graph=graph,
        ego=smoothed.motion,
        agents=tracks_on_grid(path.time_us, agents, frame_us, notes),
        metadata={
            "source": f"CommonRoad {benchmark_id}, {root.get('source', 'source unknown')};"
            f" by {root.get('author', 'unknown')}",
            "driving_side": "left" if country in LEFT_HAND_TRAFFIC.split() else "right",
            **place.metadata,
            "ego": f"car {chosen.obstacle_id} of the recording, {reason}; nuPlan's ego has its box centre",
            "ego_path": smoothed.note,
            "agents": "obstacles of the file; velocities by central differences",
            "light_cycles": "not used: editors added them to the recording",
        },
        recorded_size_m=(float(chosen.sizes[0, 0]), float(chosen.sizes[0, 1])),
        notes=notes,
    )


def _read(path: Path) -> ElementTree.Element:
    if not path.is_file():
        raise FileNotFoundError(f"No CommonRoad file {path}.")
    text = path.read_bytes()
    # A document type can define entities that fill the memory or read other files.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError(f"{path} has a document type. CommonRoad files have none, and it is not read for safety.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"{path} is no complete XML file: {error}.") from error
    if root.tag != "commonRoad":
        raise ValueError(f"{path} is no CommonRoad file: its root is <{root.tag}>.")
    version = root.get("commonRoadVersion")
    if version not in VERSIONS:
        raise ValueError(f"{path} has CommonRoad version {version}; versions {', '.join(VERSIONS)} can be read.")
    return root


def _step_us(root: ElementTree.Element, source: Path) -> int:
    try:
        step_us = round(number(root.get("timeStepSize", "0.1"), "timeStepSize") * 1e6)
    except ValueError as error:
        raise ValueError(f"{source}: {error}.") from error
    if step_us <= 0:
        raise ValueError(f"{source}: the timeStepSize must be above 0 s, got {root.get('timeStepSize')}.")
    return step_us


def _start_us(root: ElementTree.Element, notes: ImportNotes) -> int:
    """Noon of the file's date; scenarios have no time of day."""
    text = root.get("date", "")
    date = datetime(2000, 1, 1, 12, tzinfo=UTC)
    for date_format in DATE_FORMATS:
        try:
            date = datetime.strptime(text[:11].strip(), date_format).replace(hour=12, tzinfo=UTC)
            break
        except ValueError:
            continue
    else:
        notes.add(NoteKind.ASSUMED, f"recording date 2000-01-01, as the file has {text!r}")
    return round(date.timestamp() * 1e6)


def _select_ego(obstacles: Sequence[Obstacle], root: ElementTree.Element, wanted: str | None) -> tuple[Obstacle, str]:
    """The obstacle that becomes the ego, and the reason.

    Raises:
        ValueError: When no car has a trajectory.
        KeyError: When no obstacle with a trajectory has the id `wanted`.
    """
    moving = {
        obstacle.obstacle_id: obstacle for obstacle in obstacles if obstacle.may_be_ego and len(obstacle.steps) > 1
    }
    if wanted is not None:
        if wanted not in moving:
            raise KeyError(f"No obstacle {wanted!r} with a trajectory can become the ego; known: {sorted(moving)}.")
        return moving[wanted], "named by --ego"
    cars = [obstacle for obstacle in moving.values() if obstacle.kind in EGO_TYPES]
    if not cars:
        raise ValueError("No recorded car has a trajectory, so that none can become the ego.")
    longest = max(len(car.steps) for car in cars)
    cars = [car for car in cars if len(car.steps) >= LONG_PRESENCE * longest]
    initial = root.find("planningProblem/initialState")
    try:
        start = None if initial is None else position(initial)[0]
    except ValueError:
        start = None
    if start is None:
        return max(cars, key=lambda car: len(car.steps)), "the car that is observed longest"
    gaps_m = [float(np.hypot(*(car.poses[0, :2] - start))) for car in cars]
    nearest = int(np.argmin(gaps_m))
    return cars[nearest], (
        "nearest to the start of the planning problem"
        f" ({gaps_m[nearest]:.1f} m) among the cars that are observed longest"
    )
