"""The route and goal of a scenario in a town."""

import numpy as np

from driving.recording import Mission
from driving.timing import STEP_S
from simulation.generation.town.observed import ObservedTown

ROUTE_M = 500.0
"""Length of a route."""
ROUTE_BEYOND_M = 120.0
"""Length of a route beyond the distance that the ego drives in the scenario, at least."""
SCENARIO_STEPS = 150


def mission_from(observed: ObservedTown, vehicle: int, step: int, first_frame: int) -> Mission:
    """The route of a vehicle from its lane at `step` along its future way and beyond.

    The route ends before a roadblock occurs a second time. Once it has two roadblocks and is long enough, it also
    ends where it cannot be followed without a lane change.

    Args:
        observed: The town.
        vehicle: The ego.
        step: First step of the scenario.
        first_frame: Frame of the recording from which the mission holds.
    """
    lanes, net = observed.town.map.lanes, observed.net
    driven = observed.history.lane[step:, vehicle]
    ahead = driven[np.concatenate([[True], driven[1:] != driven[:-1]])].tolist()
    enough_m = float(observed.history.v[step : step + SCENARIO_STEPS, vehicle].sum()) * STEP_S + ROUTE_BEYOND_M
    reached = [observed.lane_under(vehicle, step)]
    blocks = [int(lanes.roadblock_ids[ahead[0]])]
    last = int(ahead[0])
    length_m = float(net.lanes["length"][last])
    place = 0
    while length_m < ROUTE_M or last >= net.num_lanes:
        place += 1
        if place < len(ahead):
            row = int(ahead[place])
        else:
            followers = [one for before in reached for one in lanes.successors[before].tolist()]
            row = min(followers, key=lambda one: float(net.lanes["bend"][one]))
        block = int(lanes.roadblock_ids[row])
        if block == blocks[-1]:
            last = row
            continue
        onward = [one for before in reached for one in lanes.successors[before].tolist()]
        onward = [one for one in dict.fromkeys(onward) if int(lanes.roadblock_ids[one]) == block]
        if block in blocks or (not onward and length_m > enough_m and len(blocks) > 1):
            break
        reached, last = onward or [row], row
        blocks.append(block)
        length_m += float(net.lanes["length"][row])
    if last >= net.num_lanes:
        # The route ends on a street: the roadblock behind the connector is not part of it.
        blocks, last = blocks[:-1], int(net.lanes["from_lane"][last])
    line = observed.town.map.centerline(last)
    goal = line.at(np.array([0.75 * line.length_m]))[0]
    return Mission(first_frame=first_frame, roadblock_ids=tuple(blocks), goal_pose=goal)
