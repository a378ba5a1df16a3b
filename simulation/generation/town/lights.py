"""Traffic lights: phases of a junction and the status of each connector over time."""

import numpy as np

from driving.agents import LightStatus
from driving.map import TurnKind
from driving.timing import STEP_S
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.tables import LightTable
from simulation.generation.town.town_map import Movement, TownMap

YELLOW_S = 3.0
ALL_RED_S = 2.0


def light_statuses(rng: np.random.Generator, town: TownMap, steps: int) -> LightTable:
    """`LightStatus` of every connector with lights over a number of steps, in row order.

    Each junction has a fixed cycle. Half of the junctions serve one arm at a time, so that left turns are protected;
    the other half serves opposite arms together, and vehicles that turn left yield to oncoming traffic.
    """
    lit = [move for move in town.movements if town.plan.junctions[move.junction].kind == JunctionKind.SIGNAL]
    row_of = {move.lane_id: row for row, move in enumerate(lit)}
    statuses = np.full((len(lit), steps), LightStatus.RED, dtype=np.int8)
    time_s = np.arange(steps) * STEP_S
    for number, junction in enumerate(town.plan.junctions):
        if junction.kind != JunctionKind.SIGNAL:
            continue
        moves = [move for move in lit if move.junction == number]
        is_split = rng.uniform() < 0.5
        phases = phases_of(moves, len(junction.arms), is_split=is_split)
        green_s = rng.uniform(8.0, 11.0, len(phases)) if is_split else rng.uniform(14.0, 20.0, len(phases))
        lengths_s = green_s + YELLOW_S + ALL_RED_S
        clock_s = (time_s + rng.uniform(0.0, lengths_s.sum())) % lengths_s.sum()
        starts_s = np.cumsum(lengths_s) - lengths_s
        for phase, start_s, length_s in zip(phases, starts_s, green_s, strict=True):
            since_s = clock_s - start_s
            green = (since_s >= 0) & (since_s < length_s)
            yellow = (since_s >= length_s) & (since_s < length_s + YELLOW_S)
            for move in phase:
                statuses[row_of[move.lane_id], green] = LightStatus.GREEN
                statuses[row_of[move.lane_id], yellow] = LightStatus.YELLOW
    return statuses


def phases_of(moves: list[Movement], num_arms: int, *, is_split: bool) -> list[list[Movement]]:
    """Movements of each phase: those of one arm if `is_split`, else those of two opposite arms."""
    by_arm = [[move for move in moves if move.from_arm == arm] for arm in range(num_arms)]
    if is_split:
        return by_arm
    opposite = {move.from_arm: move.to_arm for move in moves if move.turn == TurnKind.STRAIGHT}
    phases, served = [], set()
    for arm in range(num_arms):
        if arm in served:
            continue
        together = sorted({arm, opposite.get(arm, arm)})
        served.update(together)
        phases.append([move for number in together for move in by_arm[number]])
    return phases
