"""Lane connectors: turn kind by the change of heading, and the links between connectors and lanes."""

import numpy as np
from jaxtyping import Float64, Int64

from driving.geometry import wrap_angle
from driving.map import Ragged, TurnKind

UTURN_ABOVE_RAD = np.radians(150.0)
"""A larger change of heading is a U-turn."""


def turn_kind_of(centerline: Float64[np.ndarray, "points 2"], turn_above_rad: float) -> TurnKind:
    """Turn kind of a line, by the difference between its last and first direction.

    Args:
        centerline: At least two points, the first two and the last two distinct.
        turn_above_rad: Change of heading from which a line turns left or right.
    """
    first, last = centerline[1] - centerline[0], centerline[-1] - centerline[-2]
    change = float(wrap_angle(np.arctan2(last[1], last[0]) - np.arctan2(first[1], first[0])))
    if abs(change) > UTURN_ABOVE_RAD:
        return TurnKind.UTURN
    if abs(change) < turn_above_rad:
        return TurnKind.STRAIGHT
    return TurnKind.LEFT if change > 0 else TurnKind.RIGHT


def connector_links(num_lanes: int, ends: Int64[np.ndarray, "connectors 2"]) -> tuple[Ragged, Ragged]:
    """Successor and predecessor rows of all lanes and connectors.

    Args:
        num_lanes: Rows of lanes; the rows of connectors follow.
        ends: Row of the lane before and of the lane behind each connector.
    """
    count = num_lanes + len(ends)
    after: list[list[int]] = [[] for _ in range(count)]
    before: list[list[int]] = [[] for _ in range(count)]
    for connector, (start, end) in enumerate(ends.tolist(), start=num_lanes):
        after[start].append(connector)
        before[connector].append(start)
        after[connector].append(end)
        before[end].append(connector)
    empty = np.zeros(0, dtype=np.int64)
    successors, predecessors = (
        Ragged.from_rows([np.array(row, dtype=np.int64) for row in rows], empty) for rows in (after, before)
    )
    return successors, predecessors
