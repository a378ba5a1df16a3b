"""Triangles placed in the ego frame and their light."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulation.rendering.appearance import DAY, NIGHT
from simulation.rendering.lighting import (
    BRAKING,
    EVERYWHERE,
    LEFT,
    LIT,
    RED,
    WHITE,
    Models,
    Placed,
    beam_strength,
    empty_scene,
    light_of,
    place,
)
from simulation.rendering.mesh_parts import Material

FLOOR = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
WALL = np.array([[2, 0, 0], [2, 1, 0], [2, 0, 1]], dtype=np.float32)
"""Faces forward, along x of the object."""


def models(*materials: Material) -> Models:
    """A floor of the first material, and walls of the further ones, white."""
    count = len(materials)
    return Models(
        corners=np.stack([FLOOR, *[WALL] * (count - 1)]),
        colours=np.full((count, 3), 255, dtype=np.uint8),
        materials=np.array(materials, dtype=np.uint8),
        uv_m=np.zeros((count, 3, 2), dtype=np.float32),
        offsets=np.array([0, count]),
    )


def placed_scene(shapes, light, *, pose=(10.0, 0.0, 0.0), lamps=0, lamp_light=0.0, eyes=EVERYWHERE):
    scene = empty_scene(8, 3)
    scene.eyes[:] = eyes
    one = Placed(
        rows=np.array([0]),
        poses=np.array([pose]),
        lamps=np.array([lamps], dtype=np.int32),
        numbers=np.array([7], dtype=np.int32),
        lamp_light=np.array([lamp_light], dtype=np.float32),
    )
    return scene, place(shapes, one, light, scene, (1, 1))


def test_objects_are_turned_and_moved_and_enclosed_by_their_sphere():
    scene, counts = placed_scene(
        models(Material.PAINT, Material.PAINT), light_of(DAY, 0.0), pose=(10, 5, math.pi / 2)
    )
    assert counts == (3, 2)
    np.testing.assert_allclose(scene.corners[1], [[10, 5, 0], [10, 6, 0], [9, 5, 0]], atol=1e-5)
    assert scene.offsets[1:3].tolist() == [1, 3]
    assert scene.numbers[1:3].tolist() == [7, 7]
    gaps = np.linalg.norm(scene.corners[1:3] - scene.spheres[1, :3], axis=-1)
    assert gaps.max() <= scene.spheres[1, 3]


@pytest.mark.parametrize(
    ("pose", "eyes", "kept"),
    [
        # The wall is the plane x = 12 and faces forward, the floor faces up.
        ((10.0, 0.0, 0.0), (0.0, 0.0, 1.5, 1.0), ["floor"]),
        ((10.0, 0.0, 0.0), (0.0, 0.0, 1.5, 12.5), ["floor", "wall"]),
        ((10.0, 0.0, math.pi), (0.0, 0.0, 1.5, 1.0), ["floor", "wall"]),
        ((10.0, 0.0, math.pi), (0.0, 0.0, -1.5, 1.0), ["wall"]),
        ((10.0, 0.0, 0.0), (0.0, 0.0, -1.5, 1.0), []),
    ],
)
def test_triangles_whose_front_no_eye_sees_are_left_out(pose, eyes, kept):
    shapes = models(Material.PAINT, Material.GLASS)
    scene, counts = placed_scene(shapes, light_of(DAY, 0.0), pose=pose, eyes=eyes)
    names = {Material.PAINT: "floor", Material.GLASS: "wall"}
    assert [names[Material(one)] for one in scene.materials[1 : counts[0]]] == kept
    assert counts == (1 + len(kept), 1 + bool(kept))


def test_white_ground_in_daylight_has_the_value_of_white_and_walls_are_bright_towards_the_sun():
    light = light_of(DAY, 0.0)
    assert light.ground.mean() == pytest.approx(WHITE * 1.0, rel=0.05)
    shapes = models(Material.PAINT, Material.PAINT)
    towards = DAY.sun_azimuth_rad
    bright, _ = placed_scene(shapes, light, pose=(10.0, 0.0, towards))
    dark, _ = placed_scene(shapes, light, pose=(10.0, 0.0, towards + math.pi))
    assert bright.colours[2].min() > 1.8 * dark.colours[2].max()
    np.testing.assert_allclose(bright.colours[1], light.ground, atol=1)


def test_the_sun_turns_with_the_ego():
    north = light_of(replace(DAY, sun_azimuth_rad=math.pi / 2), math.pi / 2).sun_direction
    np.testing.assert_allclose(north, [math.cos(0.8), 0.0, math.sin(0.8)], atol=1e-6)


@pytest.mark.parametrize(
    ("material", "lamps", "lit"),
    [
        (Material.TAIL_LIGHT, BRAKING, True),
        (Material.TAIL_LIGHT, LEFT, False),
        (Material.INDICATOR_LEFT, LEFT, True),
        (Material.INDICATOR_RIGHT, LEFT, False),
        (Material.SIGNAL_RED, RED, True),
        (Material.SIGNAL_GREEN, RED, False),
        (Material.HEADLIGHT, LIT, True),
        (Material.PAINT, LIT | BRAKING, False),
    ],
)
def test_lamps_shine_when_they_are_on(material, lamps, lit):
    scene, _ = placed_scene(
        models(Material.PAINT, material), light_of(NIGHT, 0.0), pose=(-10.0, 0.0, 0.0), lamps=lamps
    )
    assert (scene.colours[2].max() > 2 * WHITE) == lit


def test_brake_lights_are_brighter_than_tail_lights():
    light = light_of(NIGHT, 0.0)
    shapes = models(Material.PAINT, Material.TAIL_LIGHT)
    reds = [placed_scene(shapes, light, lamps=flags)[0].colours[2, 0] for flags in (0, LIT, LIT | BRAKING)]
    assert reds[0] < 0.5 * reds[1] < 0.25 * reds[2]


def test_headlights_light_what_is_ahead_and_street_lamps_what_is_below_them():
    light = light_of(NIGHT, 0.0)
    shapes = models(Material.PAINT, Material.PAINT)
    ahead, _ = placed_scene(shapes, light, pose=(12.0, 0.0, math.pi))
    behind, _ = placed_scene(shapes, light, pose=(-12.0, 0.0, math.pi))
    below, _ = placed_scene(shapes, light, pose=(-12.0, 0.0, math.pi), lamp_light=1.0)
    assert ahead.colours[2].min() > 3 * behind.colours[2].max()
    assert below.colours[1].min() > 2 * behind.colours[1].max()


def test_the_beam_is_strongest_ahead_and_absent_behind():
    strength = beam_strength(np.array([[8.0, 0.0], [40.0, 0.0], [8.0, 4.0], [3.0, 0.0], [-8.0, 0.0]]))
    assert strength[0] > strength[1] > 0.05
    assert strength[0] > 3 * strength[2]
    assert strength[3:].tolist() == [0.0, 0.0]
