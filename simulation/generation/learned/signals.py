"""Traffic lights of a generated scene: fixed cycles by intersection, in which opposite approaches share a phase."""

import numpy as np
from jaxtyping import Float64, Int8, Int64

from driving.agents import LightStatus
from driving.geometry import wrap_angle
from driving.map import MapGraph
from simulation.generation.town.lights import ALL_RED_S, YELLOW_S

GREEN_S = (14.0, 20.0)
OPPOSITE_RAD = np.deg2rad(35.0)
"""Approaches whose axes differ by less share a phase."""
_STATUS_AT = {LightStatus.GREEN: 0.3, LightStatus.YELLOW: 0.5, LightStatus.RED: 0.5}
"""Share of the interval of a status at which a wanted status begins the scene."""


def light_table(
    map_graph: MapGraph,
    connector_ids: Int64[np.ndarray, "lights"],
    time_s: Float64[np.ndarray, "time"],
    rng: np.random.Generator,
    wanted: tuple[int, LightStatus] | None = None,
) -> Int8[np.ndarray, "lights time"]:
    """`LightStatus` of lane connectors over time.

    Args:
        map_graph: The map.
        connector_ids: Lane connectors with lights.
        time_s: Seconds from iteration 0.
        rng: For lengths and begins of the phases.
        wanted: A connector and its status at time 0.
    """
    lanes = map_graph.lanes
    rows = np.array([map_graph.lane_row(int(one)) for one in connector_ids], dtype=np.int64)
    found = np.full((len(rows), len(time_s)), LightStatus.RED, dtype=np.int8)
    for junction in np.unique(lanes.intersection_ids[rows]).tolist():
        own = np.flatnonzero(lanes.intersection_ids[rows] == junction)
        phase = _phases(map_graph, rows[own])
        green_s = rng.uniform(*GREEN_S, int(phase.max()) + 1)
        lengths = green_s + YELLOW_S + ALL_RED_S
        begins = np.cumsum(lengths) - lengths
        offset_s = rng.uniform(0.0, lengths.sum())
        if wanted is not None and wanted[0] in connector_ids[own]:
            number = int(phase[np.flatnonzero(connector_ids[own] == wanted[0])[0]])
            offset_s = begins[number] + _since(wanted[1], float(green_s[number]), float(lengths.sum()))
        clock_s = (time_s + offset_s) % lengths.sum()
        for place, number in zip(own.tolist(), phase.tolist(), strict=True):
            since_s = clock_s - begins[number]
            found[place, (since_s >= 0) & (since_s < green_s[number])] = LightStatus.GREEN
            is_yellow = (since_s >= green_s[number]) & (since_s < green_s[number] + YELLOW_S)
            found[place, is_yellow] = LightStatus.YELLOW
    return found


def _since(status: LightStatus, green_s: float, cycle_s: float) -> float:
    """Time from the begin of a phase to the middle of a status."""
    spans = {
        LightStatus.GREEN: (0.0, green_s),
        LightStatus.YELLOW: (green_s, green_s + YELLOW_S),
        LightStatus.RED: (green_s + YELLOW_S, cycle_s),
    }
    begin, end = spans[status]
    return begin + _STATUS_AT[status] * (end - begin)


def _phases(map_graph: MapGraph, rows: Int64[np.ndarray, "lights"]) -> Int64[np.ndarray, "lights"]:
    """Number of the phase of each connector: one for each axis of approach."""
    headings = np.array([map_graph.centerline(row).headings[0] for row in rows.tolist()])
    axes: list[float] = []
    found = np.zeros(len(rows), dtype=np.int64)
    for place, heading in enumerate(headings.tolist()):
        for number, axis in enumerate(axes):
            # The axis has no direction: twice the angle.
            if abs(float(wrap_angle(2 * (heading - axis)))) < 2 * OPPOSITE_RAD:
                found[place] = number
                break
        else:
            found[place] = len(axes)
            axes.append(heading)
    return found
