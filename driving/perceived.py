"""What a planner perceived at one step: kept in the log and drawn in the viewer over the truth.

`arrays_of_perceived` and `perceived_from` are its form in simulation logs; older programs ignore these arrays.
"""

import json
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Shaped, UInt8

from driving.agents import AgentTracks
from driving.arrays import require_shapes
from driving.ego import EgoMotion

ROAD_LAYERS = ("drivable", "lane_line", "crosswalk")
"""Classes of a perceived road, in the order of its array."""
LOG_RESOLUTION = 2.0**-10
"""Resolution of poses, sizes and velocities in logs: about a millimetre and a milliradian."""
Arrays = dict[str, Shaped[np.ndarray, "..."]]


@dataclass(frozen=True, kw_only=True)
class PerceivedRoad:
    """Road classes on a grid of the ego frame, from one run of a network."""

    ego_pose: Float64[np.ndarray, "3"]
    """Rear axle at the run, global: the frame of the grid."""
    x_min_m: float
    y_min_m: float
    """Corner of the first cell."""
    cell_m: float
    probabilities: UInt8[np.ndarray, "layers X Y"]
    """Of `ROAD_LAYERS`, 255 is certain; X grows forward, Y to the left."""

    def __post_init__(self) -> None:
        if self.probabilities.shape[0] != len(ROAD_LAYERS) or self.cell_m <= 0:
            raise ValueError(
                f"A perceived road needs the layers {', '.join(ROAD_LAYERS)} and cells with a positive size, got"
                f" probabilities {self.probabilities.shape} and cells of {self.cell_m} m."
            )
        require_shapes("a perceived road", {"PerceivedRoad.ego_pose": (self.ego_pose, (3,))})


@dataclass(frozen=True, kw_only=True)
class Perceived:
    """Agents and road as a planner perceived them."""

    agents: AgentTracks
    """At the present step only."""
    road: PerceivedRoad | None
    """Of the last run of the network; None before the first."""

    def __post_init__(self) -> None:
        if self.agents.num_steps != 1:
            raise ValueError(f"Perceived agents are those of one step, got {self.agents.num_steps} steps.")


def arrays_of_perceived(perceived: tuple[Perceived | None, ...], ego: EgoMotion) -> Arrays:
    """Boxes as float32 relative to the ego, one row per box, and each road once.

    Args:
        perceived: Of each step; empty for planners that report none.
        ego: The driven ego.
    """
    if not perceived:
        return {}
    steps = [step for step, one in enumerate(perceived) if one is not None]
    agents = [one.agents for one in perceived if one is not None]
    names = sorted({name for each in agents for name in each.track_ids})
    number = {name: index for index, name in enumerate(names)}
    counts = np.full(len(perceived), -1, dtype=np.int64)
    counts[steps] = [each.num_agents for each in agents]
    poses = np.concatenate([np.zeros((0, 3)), *(each.poses[:, 0] for each in agents)])
    poses[:, :2] -= np.repeat(ego.rear_axle_poses[0, :, :2], np.maximum(counts, 0), axis=0)
    sizes_m = [np.column_stack([each.sizes[:, 0], each.heights_m]) for each in agents]
    roads, road_of_step = distinct_roads(perceived)
    return {
        "perceived.counts": counts,
        "perceived.track_ids": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
        "perceived.tracks": np.array([number[name] for each in agents for name in each.track_ids], dtype=np.int64),
        "perceived.kinds": np.concatenate([np.zeros(0, dtype=np.int8), *(each.kinds for each in agents)]),
        "perceived.poses": _rounded(poses),
        "perceived.velocities_mps": _rounded(
            np.concatenate([np.zeros((0, 2)), *(each.velocities_mps[:, 0] for each in agents)])
        ),
        "perceived.sizes_m": _rounded(np.concatenate([np.zeros((0, 3)), *sizes_m])),
        "perceived.road_of_step": road_of_step,
        "perceived.road_poses": np.array([road.ego_pose for road in roads]).reshape(-1, 3),
        "perceived.road_cells": np.array([(road.x_min_m, road.y_min_m, road.cell_m) for road in roads]).reshape(
            -1, 3
        ),
        "perceived.roads": np.stack([road.probabilities for road in roads])
        if roads
        else np.zeros((0, 0, 0, 0), dtype=np.uint8),
    }


def perceived_from(arrays: Arrays, ego: EgoMotion) -> tuple[Perceived | None, ...]:
    """Inverse of `arrays_of_perceived`, from all arrays of a log."""
    if "perceived.counts" not in arrays:
        return ()
    counts = arrays["perceived.counts"]
    names = np.array(json.loads(arrays["perceived.track_ids"].tobytes()), dtype=object)
    poses, velocities, sizes_m = (
        arrays[f"perceived.{name}"].astype(np.float64) for name in ("poses", "velocities_mps", "sizes_m")
    )
    poses[:, :2] += np.repeat(ego.rear_axle_poses[0, :, :2], np.maximum(counts, 0), axis=0)
    frames = zip(
        arrays["perceived.road_poses"],
        arrays["perceived.road_cells"].tolist(),
        arrays["perceived.roads"],
        strict=True,
    )
    roads = [
        PerceivedRoad(ego_pose=pose, x_min_m=x_min_m, y_min_m=y_min_m, cell_m=cell_m, probabilities=probabilities)
        for pose, (x_min_m, y_min_m, cell_m), probabilities in frames
    ]
    found: list[Perceived | None] = []
    stop = 0
    for count, road in zip(counts.tolist(), arrays["perceived.road_of_step"].tolist(), strict=True):
        if count < 0:
            found.append(None)
            continue
        rows = slice(stop, stop + count)
        stop += count
        agents = AgentTracks(
            track_ids=tuple(names[arrays["perceived.tracks"][rows]]),
            kinds=arrays["perceived.kinds"][rows],
            poses=poses[rows, np.newaxis],
            velocities_mps=velocities[rows, np.newaxis],
            sizes=sizes_m[rows, np.newaxis, :2],
            valid=np.ones((count, 1), dtype=bool),
            heights_m=sizes_m[rows, 2].copy(),
            z_m=sizes_m[rows, 2:] / 2,
        )
        found.append(Perceived(agents=agents, road=None if road < 0 else roads[road]))
    return tuple(found)


def distinct_roads(
    perceived: tuple[Perceived | None, ...],
) -> tuple[list[PerceivedRoad], Int64[np.ndarray, "steps"]]:
    """Roads that differ from that of the step before, and the index of the road of each step, -1 for none."""
    roads: list[PerceivedRoad] = []
    indices = []
    for one in perceived:
        road = None if one is None else one.road
        if road is not None and not (roads and _is_equal(road, roads[-1])):
            roads.append(road)
        indices.append(-1 if road is None else len(roads) - 1)
    return roads, np.array(indices, dtype=np.int64)


def _is_equal(first: PerceivedRoad, second: PerceivedRoad) -> bool:
    return first is second or (
        np.array_equal(first.ego_pose, second.ego_pose) and np.array_equal(first.probabilities, second.probabilities)
    )


def _rounded(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    # Multiples of the resolution are exact in float32 and compress better.
    return (np.rint(values / LOG_RESOLUTION) * LOG_RESOLUTION).astype(np.float32)
