"""Tables that several renderers share: of a rig, of an appearance, of a map. Making them takes most of a second."""

from functools import lru_cache

import numpy as np
from jaxtyping import UInt32

from driving.cameras import CameraRig
from driving.map import MapGraph
from simulation.rendering.appearance import Appearance
from simulation.rendering.camera_tables import Camera, camera_tables
from simulation.rendering.ground import GroundRaster
from simulation.rendering.ground_shapes import GroundShapes
from simulation.rendering.overlays import GroundOverlay, Overlay
from simulation.rendering.sensor import Spots, lens_spots
from simulation.rendering.sky import sky_panorama
from simulation.rendering.surroundings import Surroundings

KEPT_RIGS = 16
KEPT_MAPS = 12
"""Grounds refer to their map: without a bound, a worker would keep every map."""
KEPT_GROUNDS = 2 * KEPT_MAPS
"""With lamps and without, 25 MB each without its sheets."""


class RigKey:
    """A rig that compares by its numbers."""

    def __init__(self, rig: CameraRig) -> None:
        self.rig = rig
        arrays = (rig.intrinsics, rig.distortion, rig.ego_from_camera, rig.image_sizes)
        self._content = (rig.names, *(array.tobytes() for array in arrays))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RigKey) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)


@lru_cache(maxsize=KEPT_RIGS)
def tables_of(key: RigKey) -> list[Camera]:
    """Tables of all cameras of a rig.

    Raises:
        ValueError: When a camera is not above the ground.
    """
    return [camera_tables(key.rig, camera) for camera in range(len(key.rig.names))]


@lru_cache(maxsize=32)
def sky_of(appearance: Appearance, seed: int) -> UInt32[np.ndarray, "rows columns"]:
    """Panorama of the sky."""
    return sky_panorama(appearance, seed)


@lru_cache(maxsize=256)
def spots_of(appearance: Appearance, seed: int, camera: int, size: tuple[int, int]) -> Spots:
    """Drops and dirt on a lens."""
    return lens_spots(appearance, seed, camera, size)


@lru_cache(maxsize=KEPT_MAPS)
def surroundings_of(map_graph: MapGraph, seed: int) -> Surroundings:
    """Static objects of a map."""
    return Surroundings(map_graph, seed)


@lru_cache(maxsize=KEPT_MAPS)
def shapes_of(map_graph: MapGraph) -> GroundShapes:
    """What is painted on the ground of a map."""
    return GroundShapes(map_graph)


@lru_cache(maxsize=KEPT_GROUNDS)
def ground_of(map_graph: MapGraph, seed: int, overlay: Overlay | None = None) -> GroundRaster:
    """Colours of a map's ground."""
    drawn = GroundOverlay(surroundings_of(map_graph, seed), overlay) if overlay is not None else None
    return GroundRaster(shapes_of(map_graph), seed=seed, overlay=drawn)
