"""Targets of the signal head: the state that governs the ego's lane, and where the forward camera shows it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, Int64

from driving.agents import LightStatus
from driving.cameras import CameraRig
from driving.geometry import local_from_global
from driving.map import MapGraph
from driving.route import Route
from driving.routing import SIGNAL_RANGE_M, connectors_ahead
from perception.contract import IGNORED_SIGNAL
from perception.lift import visible_pixels
from perception.targets import governing_signal
from simulation.rendering.placement import PropKind
from simulation.rendering.signals import ARM_HIGH_M, ARM_LOW_M, MAX_FAR_M
from simulation.rendering.surroundings import Surroundings


class SignalView(NamedTuple):
    """The camera in which a signal head is searched, and its feature pixels."""

    rig: CameraRig
    camera: int
    stride: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the feature pixels."""
        width, height = self.rig.image_sizes[self.camera].tolist()
        return height // self.stride, width // self.stride


class SignalTarget(NamedTuple):
    """See `contract.PerceptionTargets`."""

    state: int
    place: int


def signal_target(
    where: tuple[MapGraph, Route, Float64[np.ndarray, "3"]],
    lights: tuple[Int64[np.ndarray, "lights"], Int8[np.ndarray, "lights"]],
    surroundings: Surroundings,
    view: SignalView,
) -> SignalTarget:
    """State and place; both are ignored when the forward camera does not show a head of the governing signal.

    Args:
        where: Map, route, and global pose of the rear axle.
        lights: Ids of lane connectors and their `LightStatus`.
        surroundings: That the image shows.
        view: Of the forward camera.
    """
    map_graph, route, ego_pose = where
    state = governing_signal(map_graph, route, ego_pose, lights)
    rows, columns = view.shape
    if state == LightStatus.UNKNOWN:
        return SignalTarget(state, rows * columns)
    ids = map_graph.lanes.ids[connectors_ahead(map_graph, route, ego_pose)]
    heads = head_centres(surroundings, ids, ego_pose)
    pixels, visible = visible_pixels(view.rig, view.camera, heads)
    if not visible.any():
        return SignalTarget(IGNORED_SIGNAL, IGNORED_SIGNAL)
    u, v = ((pixels[visible][0] + 0.5) / view.stride).astype(np.int64)
    return SignalTarget(state, int(min(v, rows - 1) * columns + min(u, columns - 1)))


def head_centres(
    surroundings: Surroundings, connector_ids: Int64[np.ndarray, "connectors"], ego_pose: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "heads 3"]:
    """Centres of the signal heads of some connectors in the ego frame."""
    reach = SIGNAL_RANGE_M + MAX_FAR_M
    found = []
    for cell in surroundings.cells(ego_pose[:2] - reach, ego_pose[:2] + reach):
        props = cell.props
        for row in np.flatnonzero(props.kinds == PropKind.SIGNAL_HEAD).tolist():
            if np.isin(props.connector_ids[row], connector_ids).any():
                height_m = props.heights_m[row] - (ARM_HIGH_M - ARM_LOW_M) / 2
                found.append([*local_from_global(props.centres[row][np.newaxis], ego_pose)[0], height_m])
    return np.array(found).reshape(-1, 3)
