"""A junction made by hand: a west-east street and a south-north street, one lane each way in, one lane out."""

from functools import cache

import numpy as np

from simulation.generation.town.following import sort_by_lane
from simulation.generation.town.network import CLEARANCE_M, lane_points, shared_ground
from simulation.generation.town.tables import (
    ALONG,
    DRIVER,
    LANE,
    OTHER_BEGIN,
    OTHER_END,
    OWN_BEGIN,
    OWN_END,
    VEHICLE,
    LaneNetwork,
    Traffic,
)

WEST, EAST, SOUTH, NORTH, EASTBOUND, NORTHBOUND = range(6)
"""Rows of the lanes west and south of the junction (in) and east and north of it (out), and of the connectors."""
ENDS = {
    WEST: ((-110.0, 0.0), (-10.0, 0.0)),
    EAST: ((10.0, 0.0), (110.0, 0.0)),
    SOUTH: ((0.0, -110.0), (0.0, -10.0)),
    NORTH: ((0.0, 10.0), (0.0, 110.0)),
    EASTBOUND: ((-10.0, 0.0), (10.0, 0.0)),
    NORTHBOUND: ((0.0, -10.0), (0.0, 10.0)),
}


@cache
def junction() -> LaneNetwork:
    """The hand-made junction, without lights and crosswalks; the eastbound connector has the right of way."""
    lines = [lane_points(np.linspace(*ENDS[row], 101)) for row in range(6)]
    table = np.zeros(6, dtype=LANE)
    for name in ("from_lane", "to_lane", "left", "right", "light"):
        table[name] = -1
    table["length"] = [line[-1, ALONG] for line in lines]
    table["limit"], table["bend"], table["width"] = 12.0, 0.0, 3.5
    table["from_lane"][[EASTBOUND, NORTHBOUND]] = WEST, SOUTH
    table["to_lane"][[EASTBOUND, NORTHBOUND]] = EAST, NORTH
    table["rank"][[EASTBOUND, NORTHBOUND]] = 2, 1
    table["gives_way"][NORTHBOUND] = True
    table["successor_begin"], table["successor_end"] = [0, 1, 1, 2, 2, 3], [1, 1, 2, 2, 3, 4]
    table["conflict_begin"], table["conflict_end"] = [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 2]
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    table["point_begin"], table["point_end"] = offsets[:-1], offsets[1:]
    zone, _ = shared_ground(lines[EASTBOUND], lines[NORTHBOUND], CLEARANCE_M)
    return LaneNetwork(
        num_lanes=4,
        lanes=table,
        successors=np.array([EASTBOUND, NORTHBOUND, EAST, NORTH]),
        conflict_other=np.array([NORTHBOUND, EASTBOUND]),
        conflict_zones=np.array([zone, zone[[OTHER_BEGIN, OTHER_END, OWN_BEGIN, OWN_END]]]),
        conflict_along=np.array([False, False]),
        walk_path=np.zeros(0, dtype=np.int64),
        walk_zones=np.zeros((0, 3)),
        points=np.concatenate(lines),
    )


def make_traffic(net: LaneNetwork, *vehicles: dict) -> Traffic:
    """Traffic on a network. A vehicle is given by its differences from a car at rest (`VEHICLE`, `DRIVER` fields)."""
    drivers, now = np.zeros(len(vehicles), dtype=DRIVER), np.zeros(len(vehicles), dtype=VEHICLE)
    drivers["length"], drivers["width"], drivers["speed_factor"], drivers["top_speed"] = 5.0, 2.0, 1.0, 40.0
    drivers["headway"], drivers["min_gap"], drivers["accel"], drivers["brake"] = 1.5, 2.0, 1.0, 2.0
    drivers["lateral"], drivers["jerk"], drivers["gap"], drivers["polite"] = 2.0, 2.0, 1.0, 0.3
    now["next"] = now["prev"] = now["old_lane"] = -1
    now["shift"] = now["shift_m"] = 1.0
    for row, fields in enumerate(vehicles):
        for name, value in fields.items():
            (drivers if name in DRIVER.names else now)[name][row] = value
    return Traffic(net, drivers, now, sort_by_lane(net, now))
