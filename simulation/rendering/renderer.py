"""Images of a rig at one instant, drawn from the map, the agents and the state of the signals.

renderer = CameraRenderer(scenario.map, NUPLAN_8.resized(sizes=(480, 270)), seed=0, appearance=DAY)
images = renderer.render(snapshot).images
"""

import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8, UInt16

from driving.agents import AgentKind
from driving.cameras import CameraRig
from driving.geometry import poses_in_frame_of
from driving.map import MapGraph
from simulation.rendering.appearance import DAY, Appearance
from simulation.rendering.camera_tables import (
    FINEST_TEXEL_M,
    NUM_LEVELS,
    SKY_COLUMNS,
    level_radii_m,
    mirror_pixels,
)
from simulation.rendering.kept_tables import (
    KEPT_RIGS,
    RigKey,
    ground_of,
    sky_of,
    spots_of,
    surroundings_of,
    tables_of,
)
from simulation.rendering.lighting import (
    BRAKING,
    EVERYWHERE,
    LEFT,
    LIT,
    RIGHT,
    Light,
    Models,
    Placed,
    beam_strength,
    empty_scene,
    light_of,
    place,
)
from simulation.rendering.mesh_parts import Material, Mesh
from simulation.rendering.meshes import FAR, NEAR, agent_mesh
from simulation.rendering.overlays import Overlay, overlay_of
from simulation.rendering.rasteriser import Triangles, draw_triangles
from simulation.rendering.sensor import (
    add_spots,
    add_streaks,
    blur,
    noise_samples,
    rain_streaks,
    row_starts,
)
from simulation.rendering.shading import (
    FOG_STEP_M,
    FOG_STEPS,
    Air,
    Extras,
    develop,
    ground_frame,
    ground_runs,
    shade,
)
from simulation.rendering.snapshot import Snapshot
from simulation.rendering.surroundings import PROP

GROUND, SKY = -1, -2
"""Instance ids of pixels without agent or static object."""
__all__ = ["GROUND", "PROP", "SKY", "CameraRenderer", "PlacedTriangles", "RenderedImages", "models_of"]
NEAR_AGENT_M, FAR_AGENT_M = 50.0, 250.0
"""Agents are drawn in detail up to the first distance, and at all up to the second."""
BLINK_US = 350_000
"""Half the period of turn indicators."""
_TEXEL_M = (FINEST_TEXEL_M * 2.0 ** np.arange(NUM_LEVELS)).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class RenderedImages:
    """C images, one for each requested camera, with depth and instance of each pixel on demand."""

    images: tuple[UInt8[np.ndarray, "height width 3"], ...]
    nearness: tuple[Float32[np.ndarray, "height width"], ...]
    """Inverse depth of the nearest triangle [1/m], 0 without one."""
    shown: tuple[Int32[np.ndarray, "height width"], ...]
    """Index of the nearest triangle, -1 without one."""
    numbers: Int32[np.ndarray, "triangles"]
    """Instance of each triangle."""
    ground_depth: tuple[Float32[np.ndarray, "height width"], ...]

    @cached_property
    def depth_m(self) -> tuple[Float32[np.ndarray, "height width"], ...]:
        """Distance along the optical axis, inf for the sky."""
        with np.errstate(divide="ignore"):
            return tuple(
                np.where(near > 0, 1 / near, ground)
                for near, ground in zip(self.nearness, self.ground_depth, strict=True)
            )

    @cached_property
    def instances(self) -> tuple[Int32[np.ndarray, "height width"], ...]:
        """Row of the agent in the snapshot, else `GROUND`, `SKY` or `PROP`."""
        # The last entry serves pixels without a triangle, whose index is -1.
        numbers = np.append(self.numbers, np.int32(GROUND))
        found = []
        for shown, ground in zip(self.shown, self.ground_depth, strict=True):
            ids = numbers[shown]
            found.append(np.where((ids == GROUND) & ~np.isfinite(ground), np.int32(SKY), ids))
        return tuple(found)


class PlacedTriangles(NamedTuple):
    """All triangles of a scene in the ego frame, counter-clockwise from outside."""

    corners: Float32[np.ndarray, "triangles 3 3"]
    numbers: Int32[np.ndarray, "triangles"]
    """Row of the agent in the snapshot, `PROP`, or `GROUND` for the shade below a vehicle."""


class CameraRenderer:
    """Draws the cameras of a rig in one appearance.

    Args:
        map_graph: Map of the scenario.
        rig: Cameras above the ground, which is z = 0 in the ego frame.
        seed: Of everything that neither map nor snapshot determine: textures, looks of agents, noise.
        appearance: Light, weather, sensor.
        has_shadows: Whether static objects cast shadows by day. Without them, renderers of one map and seed share
            their ground, also where the sun differs.

    Raises:
        ValueError: When a camera is not above the ground.
    """

    def __init__(
        self,
        map_graph: MapGraph,
        rig: CameraRig,
        *,
        seed: int = 0,
        appearance: Appearance = DAY,
        has_shadows: bool = True,
    ) -> None:
        self.rig, self.seed, self.appearance = rig, seed, appearance
        sizes = [tuple(size) for size in rig.image_sizes.tolist()]
        key = RigKey(rig)
        self._cameras = tables_of(key)
        places = rig.ego_from_camera[:, :3, 3]
        centre = places.mean(axis=0)
        # With a margin for the rounding of corners to float32.
        self._eyes = (*centre.tolist(), float(np.linalg.norm(places - centre, axis=1).max()) + 0.01)
        self._extras = _extras_of(key, appearance.has_headlights, appearance.rain > 0)
        self._radii_m = np.max([level_radii_m(camera) for camera in self._cameras], axis=0)
        overlay = overlay_of(appearance, has_shadows=has_shadows)
        self._surroundings = surroundings_of(map_graph, seed)
        self._has_overlay = overlay is not None
        # Without shadows, one ground with the lamps serves all appearances; by day the lamps are off.
        self._ground = ground_of(map_graph, seed, overlay if has_shadows else Overlay(None))
        self._sky = sky_of(appearance, seed)
        depths = (np.arange(FOG_STEPS) + 0.5) * FOG_STEP_M
        self._haze = (256 * (1 - np.exp(-appearance.fog_per_m * depths))).astype(np.uint16)
        # Fresnel's reflection at grazing angles of a camera at a usual height.
        mirrored = 0.02 + 0.5 * (1 - 1.6 / np.hypot(depths, 1.6)) ** 4
        self._gloss = (256 * appearance.rain * mirrored).astype(np.uint16)
        self._noise = noise_samples(appearance, seed, 3 * max(width for width, _ in sizes))
        self._spots = [spots_of(appearance, seed, camera, size) for camera, size in enumerate(sizes)]
        self._light = [np.empty((height, width, 3), dtype=np.uint16) for width, height in sizes]
        self._scene = empty_scene(0, 0)
        self._walls = np.empty((0, 6), dtype=np.float32)
        self._looks: tuple[tuple[Any, ...], ...] = ()
        self._models = models_of([])

    def render(self, snapshot: Snapshot, cameras: tuple[int, ...] | None = None) -> RenderedImages:
        """Draw images.

        Args:
            snapshot: What they show.
            cameras: Numbers in the rig, in the order of the result; None draws all.

        Raises:
            IndexError: For a camera that the rig does not have.
        """
        cameras = tuple(range(len(self._cameras))) if cameras is None else cameras
        for camera in cameras:
            if not 0 <= camera < len(self._cameras):
                raise IndexError(f"The rig has cameras 0 to {len(self._cameras) - 1}, got {camera}.")
        heading = float(snapshot.ego_pose[2])
        light = light_of(self.appearance, heading)
        if not self._has_overlay:
            light = light._replace(lamp=np.zeros_like(light.lamp))
        windows = self._ground.windows(snapshot.ego_pose[:2], self._radii_m)
        num_triangles = self._place(snapshot, light, self._eyes)
        ground = ground_frame(windows, heading, _TEXEL_M)
        images, nearness, shown = [], [], []
        for camera in cameras:
            tables = self._cameras[camera]
            size = tables.level.shape
            near, index = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.int32)
            draw_triangles(tables, self._triangles(), near, index, self._walls)
            air = Air(
                haze=self._haze,
                gloss=self._gloss,
                sky=self._sky,
                sky_turn=float(np.mod(heading / (2 * np.pi), 1.0) * SKY_COLUMNS),
                lit_windows=self.appearance.lit_windows,
                window_range_m=0.6 * float(tables.lens[5]),
            )
            received = self._light[camera]
            shade(
                tables, self._extras[camera], (near, index, self._walls), (self._scene, ground, light, air), received
            )
            images.append(self._image(camera, snapshot.time_us, received, light))
            nearness.append(near)
            shown.append(index)
        return RenderedImages(
            images=tuple(images),
            nearness=tuple(nearness),
            shown=tuple(shown),
            numbers=self._numbers(num_triangles),
            ground_depth=tuple(self._cameras[camera].ground_depth for camera in cameras),
        )

    def triangles(self, snapshot: Snapshot) -> PlacedTriangles:
        """The triangles that images of a snapshot show, for other renderers."""
        count = self._place(snapshot, light_of(self.appearance, float(snapshot.ego_pose[2])), EVERYWHERE)
        return PlacedTriangles(self._scene.corners[:count].copy(), self._numbers(count))

    def _numbers(self, num_triangles: int) -> Int32[np.ndarray, "triangles"]:
        """Instance of each triangle of the scene."""
        is_shadow = self._scene.materials[:num_triangles] == Material.SHADOW
        return np.where(is_shadow, GROUND, self._scene.numbers[:num_triangles]).astype(np.int32)

    def _image(
        self, camera: int, time_us: int, received: UInt16[np.ndarray, "height width 3"], light: Light
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The image of a camera from the light on its sensor, which is changed."""
        height, width = received.shape[:2]
        if self.appearance.rain > 0:
            rng = np.random.default_rng([self.seed, time_us, camera, 1])
            add_streaks(received, rain_streaks(self.appearance, rng, (width, height)), light.fog)
        if len(self._spots[camera].targets):
            add_spots(received, self._spots[camera])
        if self.appearance.blur_px > 0:
            blur(received, self.appearance.blur_px)
        image = np.empty((height, width, 3), dtype=np.uint8)
        develop(received, self._noise, row_starts(self.seed, time_us, camera, height), image)
        return image

    def _triangles(self) -> Triangles:
        scene = self._scene
        return Triangles(
            scene.corners, scene.offsets[: self._num_objects + 1], scene.spheres, scene.materials, scene.uv_m
        )

    def _place(self, snapshot: Snapshot, light: Light, eyes: tuple[float, ...]) -> int:
        """Fill the scene with agents and static objects as a sphere sees them; returns the number of triangles."""
        poses = poses_in_frame_of(snapshot.poses, snapshot.ego_pose)
        distance_m = np.hypot(poses[:, 0], poses[:, 1])
        # NaN compares as False.
        rows = np.flatnonzero((distance_m < FAR_AGENT_M) & np.isfinite(snapshot.sizes_m).all(axis=1))
        models = self._models_at(snapshot, rows.tolist(), (distance_m[rows] < NEAR_AGENT_M).tolist())
        is_vehicle = snapshot.kinds[rows] == AgentKind.VEHICLE
        lamps = np.where(is_vehicle & self.appearance.has_headlights, LIT, 0)
        lamps |= np.where(snapshot.is_braking[rows], BRAKING, 0)
        if snapshot.time_us // BLINK_US % 2 == 0:
            lamps |= np.where(snapshot.turn_signals[rows] > 0, LEFT, 0)
            lamps |= np.where(snapshot.turn_signals[rows] < 0, RIGHT, 0)
        placed = Placed(
            rows=np.arange(len(rows)),
            poses=poses[rows],
            lamps=lamps.astype(np.int32),
            numbers=rows.astype(np.int32),
            lamp_light=self._overlay_at(snapshot.poses[rows, :2], distance_m[rows]),
        )
        signals = dict(zip(snapshot.connector_ids.tolist(), snapshot.connector_statuses.tolist(), strict=True))
        groups = self._surroundings.placed(snapshot.ego_pose, signals, are_lamps_lit=self.appearance.has_headlights)
        groups.append((models, placed))
        self._reserve(
            sum(int((one.offsets[which.rows + 1] - one.offsets[which.rows]).sum()) for one, which in groups),
            sum(len(which.rows) for _, which in groups),
        )
        self._scene.eyes[:] = eyes
        counts = (0, 0)
        for one, which in groups:
            counts = place(one, which, light, self._scene, counts)
        self._num_objects = counts[1]
        return counts[0]

    def _models_at(self, snapshot: Snapshot, rows: list[int], are_near: list[bool]) -> Models:
        """Models of agents; those of the last image when they show the same agents in the same detail."""
        kinds, sizes_m = snapshot.kinds.tolist(), snapshot.sizes_m.tolist()
        looks = tuple(
            (snapshot.track_ids[row], kinds[row], *sizes_m[row], is_near)
            for row, is_near in zip(rows, are_near, strict=True)
        )
        if looks != self._looks:
            meshes = [
                agent_mesh(
                    AgentKind(kinds[row]),
                    snapshot.sizes_m[row],
                    zlib.crc32(snapshot.track_ids[row].encode()) + self.seed,
                    NEAR if is_near else FAR,
                )
                for row, is_near in zip(rows, are_near, strict=True)
            ]
            self._looks, self._models = looks, models_of(meshes)
        return self._models

    def _overlay_at(
        self, points: Float64[np.ndarray, "points 2"], distance_m: Float64[np.ndarray, "points"]
    ) -> Float32[np.ndarray, "points"]:
        """Light of lamps or shade at agents near the ego, 0 to 1; 0 at others."""
        overlay = np.zeros(len(points), dtype=np.float32)
        covered = [level for level in range(NUM_LEVELS) if self._radii_m[level] > 0]
        if covered:
            level = max(covered, key=lambda one: (self._radii_m[one] > NEAR_AGENT_M, -one))
            is_near = distance_m < min(self._radii_m[level], 100.0)
            overlay[is_near] = self._ground.overlay_at(points[is_near], level)
        return overlay

    def _reserve(self, triangles: int, objects: int) -> None:
        if triangles > len(self._scene.corners) or objects >= len(self._scene.offsets):
            self._scene = empty_scene(2 * triangles, 2 * objects + 1)
            self._walls = np.empty((2 * triangles, 6), dtype=np.float32)


def models_of(meshes: list[Mesh]) -> Models:
    """Concatenate meshes."""
    parts = [_expanded(mesh) for mesh in meshes]
    return Models(
        corners=np.concatenate([np.zeros((0, 3, 3), dtype=np.float32), *parts]),
        colours=np.concatenate([np.zeros((0, 3), dtype=np.uint8), *(mesh.colours for mesh in meshes)]),
        materials=np.concatenate([np.zeros(0, dtype=np.uint8), *(mesh.materials for mesh in meshes)]),
        uv_m=np.concatenate([np.zeros((0, 3, 2), dtype=np.float32), *(mesh.uv_m for mesh in meshes)]),
        offsets=np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64),
    )


@lru_cache(maxsize=8192)
def _expanded(mesh: Mesh) -> Float32[np.ndarray, "triangles 3 3"]:
    return mesh.vertices_m[mesh.triangles]


@lru_cache(maxsize=KEPT_RIGS)
def _extras_of(key: RigKey, has_headlights: bool, is_wet: bool) -> list[Extras]:
    """Tables for headlights and wet ground, of one pixel where the appearance does not need them."""
    empty = np.zeros((1, 1), dtype=np.int32)
    found = []
    for camera in tables_of(key):
        is_ground = camera.level < NUM_LEVELS
        beam = beam_strength(camera.place.astype(np.float64)) * is_ground if has_headlights else empty
        found.append(
            Extras(
                beam=np.rint(255 * np.clip(beam, 0, 1)).astype(np.uint8),
                mirror=mirror_pixels(camera) if is_wet else empty - 1,
                runs=ground_runs(camera),
            )
        )
    return found
