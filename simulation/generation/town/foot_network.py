"""The tables of a town's foot paths for the pedestrian kernels."""

import numpy as np

from driving.geometry import arc_lengths
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.network import offsets_of
from simulation.generation.town.tables import FOOT_PATH, FootNetwork, LaneNetwork
from simulation.generation.town.town_map import FootPath, TownMap


def build_foot_network(town: TownMap, net: LaneNetwork) -> FootNetwork:
    """Build the tables of a town's walkways and crosswalks."""
    paths = town.foot_paths
    points = [np.column_stack([path.points + town.origin, arc_lengths(path.points)]) for path in paths]
    meeting: list[list[int]] = [[] for _ in town.corners]
    for number, path in enumerate(paths):
        meeting[path.start].append(number)
        meeting[path.end].append(number)
    crossed: list[list[tuple[int, int]]] = [[] for _ in paths]
    for connector, (begin, end) in enumerate(zip(net.lanes["walk_begin"], net.lanes["walk_end"], strict=True)):
        for k in range(begin, end):
            crossed[net.walk_path[k]].append((connector, k))
    lights = [_lights_of(town, net, path) for path in paths]
    table = np.zeros(len(paths), dtype=FOOT_PATH)
    table["length"] = [line[-1, 2] for line in points]
    table["is_crosswalk"] = [path.crosswalk_id is not None for path in paths]
    for name, rows in (("point", points), ("crossed", crossed), ("light", lights)):
        offsets = offsets_of(rows)
        table[f"{name}_begin"], table[f"{name}_end"] = offsets[:-1], offsets[1:]
    flat = [entry for entries in crossed for entry in entries]
    return FootNetwork(
        paths=table,
        points=np.concatenate(points),
        ends=np.array([[path.start, path.end] for path in paths]),
        corner_offsets=offsets_of(meeting),
        corner_paths=np.array([number for numbers in meeting for number in numbers], dtype=np.int64),
        crossed_by=np.array([entry[0] for entry in flat], dtype=np.int64),
        crossed_zone=np.array([entry[1] for entry in flat], dtype=np.int64),
        lights=np.array([row for rows in lights for row in rows], dtype=np.int64),
    )


def _lights_of(town: TownMap, net: LaneNetwork, path: FootPath) -> list[int]:
    """Lights of the connectors that start at the arm of a signalised crosswalk."""
    if path.junction < 0 or town.plan.junctions[path.junction].kind != JunctionKind.SIGNAL:
        return []
    arm = (path.junction, path.arm)
    moves = enumerate(town.movements, net.num_lanes)
    return [int(net.lanes["light"][row]) for row, move in moves if (move.junction, move.from_arm) == arm]
