"""Inputs that the official devkit recorded for its planners, as observations."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from driving import AgentTracks, EgoMotion, Observation, TrafficLights, build_route
from driving.nuplan.maps import open_map

Steps = list[tuple[Observation, np.ndarray]]


@pytest.fixture(scope="session")
def golden_steps(golden: Path) -> Callable[[str], Iterator[tuple[str, Steps]]]:
    """Of a run: each scenario's token, and for every step the observation and the plan (poses, 4) that was made."""
    world = golden / "world1"
    listing = [json.loads(line) for line in (world / "listing" / "listing.jsonl").read_text().splitlines()]

    def steps(run: str) -> Iterator[tuple[str, Steps]]:
        for entry in listing:
            path = world / "runs" / run / f"{entry['token']}.npz"
            if path.is_file():
                yield entry["token"], _steps(world, entry, path)

    return steps


def _steps(world: Path, entry: dict, path: Path) -> Steps:
    arrays, listed = np.load(path), np.load(world / "listing" / f"{entry['token']}.npz")
    map_graph = open_map(world / "maps", entry["map_name"])
    driven = arrays["ego"]
    num_steps = len(driven)
    ego = EgoMotion(
        time_us=driven[:, 0].astype(np.int64),
        rear_axle_poses=driven[np.newaxis, :, 1:4].copy(),
        velocities_mps=driven[np.newaxis, :, 4:6].copy(),
        accelerations_mps2=driven[np.newaxis, :, 6:8].copy(),
        steering_rad=driven[np.newaxis, :, 8].copy(),
        yaw_rate_radps=driven[np.newaxis, :, 9].copy(),
        yaw_acceleration_radps2=driven[np.newaxis, :, 10].copy(),
    )
    agents = _tracks(arrays["obs"], arrays["tracks"], num_steps)
    lights = listed["lights"][listed["lights"][:, 0] < num_steps]
    counts = np.bincount(lights[:, 0].astype(np.int64), minlength=num_steps)
    all_lights = TrafficLights(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        lane_connector_ids=lights[:, 1].astype(np.int64),
        statuses=lights[:, 2].astype(np.int8),
    )
    blocks = tuple(int(block) for block in entry["roadblock_ids"])
    route = build_route(map_graph, blocks, np.array(entry["goal"], dtype=np.float64), ego.rear_axle_poses[0, 0])
    return [
        (
            Observation(
                iteration=step,
                ego=ego.steps(step, step + 1),
                agents=agents.steps(step, step + 1),
                traffic_lights=all_lights.steps(step, step + 1),
                route=route,
                map=map_graph,
            ),
            arrays["plans"][step],
        )
        for step in range(num_steps)
    ]


def _tracks(boxes: np.ndarray, tokens: np.ndarray, num_steps: int) -> AgentTracks:
    numbers, rows = np.unique(boxes[:, 1].astype(np.int64), return_inverse=True)
    frames = boxes[:, 0].astype(np.int64)
    shape = (len(numbers), num_steps)
    poses, velocities, sizes = (np.full((*shape, width), np.nan) for width in (3, 2, 2))
    valid, order = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int32)
    kinds = np.zeros(len(numbers), dtype=np.int8)
    kinds[rows] = boxes[:, 2].astype(np.int8)
    poses[rows, frames], velocities[rows, frames], sizes[rows, frames] = boxes[:, 3:6], boxes[:, 6:8], boxes[:, 8:10]
    valid[rows, frames] = True
    order[rows, frames] = np.arange(len(boxes))
    return AgentTracks(
        track_ids=tuple(str(tokens[number]) for number in numbers),
        kinds=kinds,
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
        order=order,
    )
