"""What a planner perceived in a drive, compared with the true agents, for the page."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, static_mask
from driving.geometry import local_from_global
from driving.perceived import Perceived, PerceivedRoad, distinct_roads
from simulation.log import SimulationLog
from simulation.viewer.packing import CENTIMETRE, MILLIMETRE, MILLIRADIAN, Message

MATCH_M = 2.0
"""Largest distance between the centres of a true and a perceived box of one class that match."""
LEVEL_BITS = 4
"""Bits of a probability in the message; those of all layers share an integer."""


class Comparison(NamedTuple):
    """Differences between what was perceived and the truth at each step."""

    missed: tuple[Int64[np.ndarray, "agents"], ...]
    """Rows of the true agents within the grid without a perceived box near."""
    is_false: tuple[Bool[np.ndarray, "boxes"], ...]
    """Whether no true agent is near a perceived box."""


def comparison(log: SimulationLog) -> Comparison:
    """Compare each step of a drive; steps without perception have no differences."""
    missed, is_false = [], []
    for step, one in enumerate(log.perceived):
        if one is None:
            missed.append(np.zeros(0, dtype=np.int64))
            is_false.append(np.zeros(0, dtype=bool))
            continue
        rows = np.flatnonzero(log.agents.valid[:, step])
        true_m, found_m = log.agents.poses[rows, step, :2], one.agents.poses[:, 0, :2]
        gaps_m = np.linalg.norm(true_m[:, np.newaxis] - found_m[np.newaxis], axis=-1)
        is_same = _classes(log.agents.kinds[rows])[:, np.newaxis] == _classes(one.agents.kinds)
        is_near = (gaps_m <= MATCH_M) & is_same
        is_inside = _is_inside(true_m, log.ego.rear_axle_poses[0, step], one.road)
        missed.append(rows[is_inside & ~is_near.any(axis=1)])
        is_false.append(~is_near.any(axis=0))
    return Comparison(tuple(missed), tuple(is_false))


def _classes(kinds: Int8[np.ndarray, "agents"]) -> Int8[np.ndarray, "agents"]:
    """Static objects of all kinds are one class."""
    return np.where(static_mask(kinds), np.int8(AgentKind.GENERIC_OBJECT), kinds)


def _is_inside(
    points: Float64[np.ndarray, "points 2"], ego_pose: Float64[np.ndarray, "3"], road: PerceivedRoad | None
) -> Bool[np.ndarray, "points"]:
    """Whether points lie within the grid, moved to the present pose of the ego; False without a grid."""
    if road is None:
        return np.zeros(len(points), dtype=bool)
    corner = np.array([road.x_min_m, road.y_min_m])
    cells = (local_from_global(points, ego_pose) - corner) / road.cell_m
    return np.all((cells >= 0) & (cells < np.array(road.probabilities.shape[1:])), axis=-1)


def add_perceived(message: Message, log: SimulationLog | None, origin: Float64[np.ndarray, "2"]) -> None:
    """Add boxes by step, missed agents by step, and each road once; all empty where nothing was perceived."""
    perceived = log.perceived if log is not None else ()
    found = [one for one in perceived if one is not None]
    names = sorted({name for one in found for name in one.agents.track_ids})
    number = {name: index for index, name in enumerate(names)}
    message.header["perceived_track_ids"] = names
    counts = [0 if one is None else one.agents.num_agents for one in perceived]
    message.add_integers("perceived.offsets", _offsets(counts))
    tracks = [number[name] for one in found for name in one.agents.track_ids]
    message.add_integers("perceived.tracks", np.array(tracks, dtype=np.int64))
    kinds = np.concatenate([np.zeros(0, dtype=np.int8), *(one.agents.kinds for one in found)])
    message.add_integers("perceived.kinds", kinds)
    poses = np.concatenate([np.zeros((0, 3)), *(one.agents.poses[:, 0] for one in found)])
    message.add_reals("perceived.points", (poses[:, :2] - origin).T, CENTIMETRE)
    message.add_reals("perceived.headings", poses[:, 2], MILLIRADIAN)
    velocities = np.concatenate([np.zeros((0, 2)), *(one.agents.velocities_mps[:, 0] for one in found)])
    message.add_reals("perceived.velocities", velocities.T, CENTIMETRE)
    sizes = np.concatenate([np.zeros((0, 2)), *(one.agents.sizes[:, 0] for one in found)])
    message.add_reals("perceived.sizes", sizes.T, CENTIMETRE)
    differences = comparison(log) if log is not None else Comparison((), ())
    message.add_integers("perceived.false", np.concatenate([np.zeros(0, dtype=np.int64), *differences.is_false]))
    message.add_integers("missed.offsets", _offsets([len(rows) for rows in differences.missed]))
    message.add_integers("missed.agents", np.concatenate([np.zeros(0, dtype=np.int64), *differences.missed]))
    _add_roads(message, perceived, origin)


def _add_roads(message: Message, perceived: tuple[Perceived | None, ...], origin: Float64[np.ndarray, "2"]) -> None:
    roads, of_step = distinct_roads(perceived)
    message.header["road_grid"] = (
        [roads[0].x_min_m, roads[0].y_min_m, roads[0].cell_m, *roads[0].probabilities.shape[1:]] if roads else None
    )
    message.add_integers("roads.of_step", of_step)
    poses = np.array([road.ego_pose for road in roads]).reshape(-1, 3)
    message.add_reals("roads.points", (poses[:, :2] - origin).T, MILLIMETRE)
    message.add_reals("roads.headings", poses[:, 2], MILLIRADIAN / 10)
    cells = [
        sum(layer.astype(np.int64) >> (8 - LEVEL_BITS) << (LEVEL_BITS * index) for index, layer in enumerate(layers))
        for layers in (road.probabilities for road in roads)
    ]
    message.add_integers("roads.cells", np.array(cells, dtype=np.int64).reshape(-1))


def _offsets(counts: list[int]) -> Int64[np.ndarray, "steps"]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
