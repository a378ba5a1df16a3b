"""The seconds before and after a drawn instant.

Vehicles and bicycles in lanes continue as the drivers of towns; before the instant they kept their speed. Vehicles
off the lanes stand. Pedestrians walk straight, turn around at the edge of the road, and wait for vehicles.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64, Shaped

from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.learned.driving_network import DrivingNetwork, no_foot_network, pose_along
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.vocabulary import AgentClass
from simulation.generation.learned.window import SceneWindow
from simulation.generation.town.drivers import draw_drivers
from simulation.generation.town.layout import TownSettings
from simulation.generation.town.tables import PERSON, VEHICLE, LightTable, Population
from simulation.generation.town.traffic import choose_connector, run_traffic

BEGIN_S, END_S = -3.2, 24.0
"""Interval of the recording: history, scenario and open-loop future. Time 0 is the drawn instant."""
SETTLE_M = 8.0
"""Distance over which a drawn heading offset fades."""
WAIT_S = 2.5
"""Pedestrians wait for vehicles that come near within this time."""
KEEP_M = 1.2
"""Distance from a vehicle's box that pedestrians keep."""


class Lines(NamedTuple):
    """Vehicles in lanes over time, as rows of a driving network."""

    row: Int64[np.ndarray, "vehicles time"]
    along: Float64[np.ndarray, "vehicles time"]
    speed: Float64[np.ndarray, "vehicles time"]
    is_there: Bool[np.ndarray, "vehicles time"]
    """False before the begin of the network, where distances are negative, and on a sink."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Continued:
    """All agents of a scene over time; the first vehicle is the ego."""

    lines: Lines
    """Of the vehicles and bicycles in lanes."""
    movers: Int64[np.ndarray, "vehicles"]
    """Their rows among the scene's agents; the ego is the first."""
    poses: Float64[np.ndarray, "agents time 3"]
    """Box centres, global."""
    speeds_mps: Float64[np.ndarray, "agents time"]
    valid: Bool[np.ndarray, "agents time"]


def sample_times() -> Float64[np.ndarray, "time"]:
    """Times of the frames [s]."""
    return np.round(np.arange(round((END_S - BEGIN_S) / STEP_S) + 1) * STEP_S + BEGIN_S, 9)


def now_step() -> int:
    """Index of the drawn instant."""
    return round(-BEGIN_S / STEP_S)


def continued(
    window: SceneWindow,
    agents: SceneAgents,
    network: DrivingNetwork,
    lights: LightTable,
    rng: np.random.Generator,
) -> Continued:
    """Continue a scene.

    Args:
        window: Its pieces.
        agents: Its agents, the ego first.
        network: Lanes around the scene.
        lights: Status from the drawn instant on, in the rows of the network.
        rng: For drivers and their ways.
    """
    is_mover = np.isin(agents.classes, (AgentClass.VEHICLE, AgentClass.BICYCLE))
    pieces = lane_pieces(window.map)
    rows = pieces.lane_rows[window.pieces[agents.places]]
    is_mover &= np.isin(rows, list(network.row_of))
    movers = np.flatnonzero(is_mover)
    along = pieces.begin_m[window.pieces[agents.places]] + agents.along_m
    start = _Start(
        row=np.array([network.row_of[int(row)] for row in rows[movers]], dtype=np.int64),
        along=np.clip(along[movers], 0.0, None),
        speed=agents.speeds_mps[movers],
        size=agents.sizes[movers],
        kind=agents.classes[movers],
    )
    lines = _driven(network, start, lights, rng)
    steps = len(sample_times())
    poses = np.repeat(agents.poses(window)[:, np.newaxis], steps, axis=1)
    speeds = np.zeros((len(agents), steps))
    valid = np.ones((len(agents), steps), dtype=bool)
    speeds[movers], valid[movers] = lines.speed, lines.is_there
    for place, agent in enumerate(movers.tolist()):
        offsets = float(agents.lateral_m[agent]), float(agents.heading_rad[agent])
        lever_m = PACIFICA.rear_axle_to_center_m if agent == 0 else 0.0
        poses[agent] = _traced(network, lines, place, offsets, lever_m)
    walkers = np.flatnonzero(agents.classes == AgentClass.PEDESTRIAN)
    vehicles = np.flatnonzero(agents.classes != AgentClass.PEDESTRIAN)
    if len(walkers):
        obstacles = _Boxes(poses[vehicles], agents.sizes[vehicles], speeds[vehicles], valid[vehicles])
        poses[walkers], speeds[walkers] = _walked(window, poses[walkers, 0], agents.speeds_mps[walkers], obstacles)
    return Continued(lines=lines, movers=movers, poses=poses, speeds_mps=speeds, valid=valid)


class _Start(NamedTuple):
    """Vehicles in lanes at the drawn instant."""

    row: np.ndarray
    along: np.ndarray
    speed: np.ndarray
    size: np.ndarray
    kind: np.ndarray


class _Boxes(NamedTuple):
    poses: np.ndarray
    sizes: np.ndarray
    speeds: np.ndarray
    valid: np.ndarray


def _driven(network: DrivingNetwork, start: _Start, lights: LightTable, rng: np.random.Generator) -> Lines:
    """Vehicles before and after the drawn instant."""
    net, count = network.net, len(start.row)
    steps_after = len(sample_times()) - now_step()
    drivers = _drivers(start, rng)
    now = np.zeros(count, dtype=VEHICLE)
    now["lane"], now["s"], now["v"] = start.row, np.minimum(start.along, net.lanes["length"][start.row]), start.speed
    for name in ("next", "prev", "old_lane"):
        now[name] = -1
    now["shift"] = now["shift_m"] = 1.0
    now["waited"] = np.where(start.speed < 0.5, 2.0, 0.0)
    inside = np.flatnonzero(start.row >= net.num_lanes)
    # A vehicle inside a junction has its permission; the one nearest to the end of its connector has the first.
    rest = net.lanes["length"][start.row[inside]] - start.along[inside]
    for number, vehicle in enumerate(inside[np.argsort(rest, kind="stable")].tolist(), start=1):
        now["grant"][vehicle], now["prev"][vehicle] = number, start.row[vehicle]
        to_lane = int(net.lanes["to_lane"][start.row[vehicle]])
        now["next"][vehicle] = choose_connector(net, to_lane, float(start.size[vehicle, 0]), float(rng.uniform()))
    population = Population(
        drivers=drivers,
        vehicles=now,
        vehicle_random=rng.integers(1, 2**63 - 1, count, dtype=np.uint64),
        people=np.zeros(0, dtype=PERSON),
        people_random=np.zeros(0, dtype=np.uint64),
    )
    history = run_traffic(net, no_foot_network(), population, lights[:, :steps_after], steps_after)
    before = _before(network, start, now_step())
    row = np.concatenate([before.row, history.lane.T.astype(np.int64)], axis=1)
    return Lines(
        row=row,
        along=np.concatenate([before.along, history.s.T], axis=1),
        speed=np.concatenate([before.speed, history.v.T], axis=1),
        is_there=np.concatenate([before.is_there, ~network.is_sink[history.lane.T]], axis=1),
    )


def _drivers(start: _Start, rng: np.random.Generator) -> Shaped[np.ndarray, "vehicles"]:
    """Drivers of towns with the drawn sizes; none changes lanes, and none is slower than it is at first."""
    count = len(start.row)
    is_bicycle = start.kind == AgentClass.BICYCLE
    settings = TownSettings(vehicles=int(count - is_bicycle.sum()), bicycles=int(is_bicycle.sum()))
    drawn = draw_drivers(rng, settings)
    drivers = np.empty_like(drawn)
    drivers[~is_bicycle], drivers[is_bicycle] = drawn[: settings.vehicles], drawn[settings.vehicles :]
    drivers["length"], drivers["width"] = start.size[:, 0], start.size[:, 1]
    drivers["eagerness"] = -1.0
    drivers["top_speed"] = np.maximum(drivers["top_speed"], start.speed)
    return drivers


def _before(network: DrivingNetwork, start: _Start, steps: int) -> Lines:
    """Vehicles with constant speed before the drawn instant, which do not overlap their followers."""
    net, count = network.net, len(start.row)
    driven_m = start.speed[:, np.newaxis] * np.arange(steps, 0, -1) * STEP_S
    for vehicle in np.argsort(start.along, kind="stable").tolist():
        same = np.flatnonzero((start.row == start.row[vehicle]) & (start.along < start.along[vehicle]))
        if len(same):
            follower = same[np.argmax(start.along[same])]
            gap = start.along[vehicle] - start.along[follower]
            gap -= (start.size[vehicle, 0] + start.size[follower, 0]) / 2
            driven_m[vehicle] = np.minimum(driven_m[vehicle], driven_m[follower] + max(gap - 0.3, 0.0))
    first_before = _predecessors(network)
    row = np.repeat(start.row[:, np.newaxis], steps, axis=1)
    along = start.along[:, np.newaxis] - driven_m
    there = np.ones((count, steps), dtype=bool)
    for vehicle in range(count):
        for step in range(steps):
            place, place_m = int(start.row[vehicle]), float(along[vehicle, step])
            while place_m < 0.0 and first_before[place] >= 0:
                place = int(first_before[place])
                place_m += float(net.lanes["length"][place])
            there[vehicle, step] = place_m >= 0.0
            row[vehicle, step], along[vehicle, step] = place, place_m
    speed = -np.diff(driven_m, axis=1, append=0.0) / STEP_S
    return Lines(row=row, along=along, speed=speed, is_there=there)


def _predecessors(network: DrivingNetwork) -> Int64[np.ndarray, "lines"]:
    """A line before each line: the lane before a connector, the straightest connector before a lane; -1 for none."""
    net = network.net
    found = np.full(len(net.lanes), -1, dtype=np.int64)
    for row in range(net.num_lanes, len(net.lanes)):
        found[row] = net.lanes["from_lane"][row]
        to_lane = net.lanes["to_lane"][row]
        if found[to_lane] < 0 or net.lanes["bend"][row] < net.lanes["bend"][found[to_lane]]:
            found[to_lane] = row
    return found


def _traced(
    network: DrivingNetwork, lines: Lines, vehicle: int, offsets: tuple[float, float], lever_m: float
) -> Float64[np.ndarray, "time 3"]:
    """Box centres of a vehicle beside its lines.

    Args:
        network: Lanes.
        lines: All vehicles.
        vehicle: The vehicle.
        offsets: Lateral offset and heading offset at the drawn instant.
        lever_m: Distance from the point that follows the line to the box centre: that of the rear axle for the ego.
    """
    row = lines.row[vehicle]
    points = np.empty((len(row), 3))
    breaks = np.flatnonzero(np.diff(row)) + 1
    for part in np.split(np.arange(len(row)), breaks):
        points[part] = _pose_behind(network, lines, vehicle, part, lever_m)
    driven_m = np.abs(np.cumsum(lines.speed[vehicle]) - np.cumsum(lines.speed[vehicle])[now_step()]) * STEP_S
    heading = points[:, 2] + offsets[1] * np.exp(-driven_m / SETTLE_M)
    x = points[:, 0] - offsets[0] * np.sin(points[:, 2]) + lever_m * np.cos(heading)
    y = points[:, 1] + offsets[0] * np.cos(points[:, 2]) + lever_m * np.sin(heading)
    return np.stack([x, y, heading], axis=-1)


def _pose_behind(
    network: DrivingNetwork, lines: Lines, vehicle: int, part: Int64[np.ndarray, "steps"], lever_m: float
) -> Float64[np.ndarray, "steps 3"]:
    """Poses on the line, `lever_m` behind the vehicle's place; on the line before where that is behind its begin."""
    row, along = int(lines.row[vehicle, part[0]]), lines.along[vehicle, part] - lever_m
    found = pose_along(network.net, row, np.maximum(along, 0.0))
    behind = np.flatnonzero(along < 0.0)
    if not len(behind):
        return found
    before = int(lines.row[vehicle, part[0] - 1]) if part[0] > 0 else int(_predecessors(network)[row])
    if before < 0:
        start = found[behind]
        found[behind, 0] += along[behind] * np.cos(start[:, 2])
        found[behind, 1] += along[behind] * np.sin(start[:, 2])
        return found
    found[behind] = pose_along(network.net, before, network.net.lanes["length"][before] + along[behind])
    return found


def _walked(
    window: SceneWindow,
    start: Float64[np.ndarray, "people 3"],
    pace: Float64[np.ndarray, "people"],
    obstacles: _Boxes,
) -> tuple[Float64[np.ndarray, "people time 3"], Float64[np.ndarray, "people time"]]:
    """Pedestrians before and after the drawn instant."""
    times, now = sample_times(), now_step()
    road, paths = window.map.drivable_area, window.map.crosswalks
    poses = np.repeat(start[:, np.newaxis], len(times), axis=1)
    speeds = np.repeat(pace[:, np.newaxis], len(times), axis=1)
    back = np.minimum(times[:now], 0.0)
    for column, turn in ((0, np.cos), (1, np.sin)):
        poses[:, :now, column] += back * (pace * turn(start[:, 2]))[:, np.newaxis]
    here = start.copy()
    shapely.prepare(road.polygons)
    for step in range(now, len(times)):
        poses[:, step] = here
        ahead = here[:, :2] + np.stack([np.cos(here[:, 2]), np.sin(here[:, 2])], axis=-1) * 0.6
        enters = road.contains(ahead) & ~road.contains(here[:, :2]) & ~paths.contains(ahead)
        here[enters, 2] += np.pi
        waits = _is_near_vehicle(here, pace, obstacles, step)
        speeds[:, step] = np.where(waits, 0.0, pace)
        moved = speeds[:, step] * STEP_S
        here[:, 0] += moved * np.cos(here[:, 2])
        here[:, 1] += moved * np.sin(here[:, 2])
    return poses, speeds


def _is_near_vehicle(
    here: Float64[np.ndarray, "people 3"], pace: Float64[np.ndarray, "people"], obstacles: _Boxes, step: int
) -> Bool[np.ndarray, "people"]:
    """Whether a moving vehicle comes near to the next steps of each pedestrian within `WAIT_S`."""
    later = range(step, min(step + round(WAIT_S / STEP_S), obstacles.valid.shape[1]), 5)
    found = np.zeros(len(here), dtype=bool)
    next_place = here[:, :2] + 0.8 * np.stack([np.cos(here[:, 2]), np.sin(here[:, 2])], axis=-1) * (pace > 0)[:, None]
    for other in later:
        usable = obstacles.valid[:, other] & (obstacles.speeds[:, other] > 0.3)
        poses, sizes = obstacles.poses[usable, other], obstacles.sizes[usable]
        delta = next_place[:, np.newaxis] - poses[np.newaxis, :, :2]
        cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        along, aside = delta[..., 0] * cos + delta[..., 1] * sin, delta[..., 1] * cos - delta[..., 0] * sin
        found |= ((np.abs(along) < sizes[:, 0] / 2 + KEEP_M) & (np.abs(aside) < sizes[:, 1] / 2 + KEEP_M)).any(axis=1)
    return found
