"""Shadows and light of lamps on the ground."""

from dataclasses import replace

import numpy as np
import pytest

from simulation.rendering.appearance import DAY, NIGHT, OVERCAST
from simulation.rendering.overlays import GroundOverlay, lamp_light, overlay_of


class _OneHouse:
    """Surroundings with one shadow of 10 x 10 m, and one lamp."""

    def shadows(self, low, high, shift):
        return [np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]])]

    def lamp_positions(self, low, high):
        return np.array([[16.0, 16.0]])


def test_by_day_objects_shade_the_ground_and_by_night_lamps_light_it():
    corner = np.zeros(2)
    shade = GroundOverlay(_OneHouse(), overlay_of(DAY))(corner, 0.0625)
    assert shade[240, 240] == 255.0
    assert shade[100, 240] == 0.0
    light = GroundOverlay(_OneHouse(), overlay_of(NIGHT))(corner, 0.0625)
    assert light[256, 256] > 200
    assert light[256, 256] > light[256, 350] > light[256, 480]


def test_without_sun_or_without_shadows_there_is_no_overlay_and_nights_share_one():
    assert overlay_of(OVERCAST) is None
    assert overlay_of(DAY, has_shadows=False) is None
    assert overlay_of(NIGHT, has_shadows=False) == overlay_of(replace(NIGHT, sun_azimuth_rad=0.1))


def test_the_shadow_of_a_point_lies_away_from_the_sun_by_its_height_over_the_tangent():
    appearance = replace(DAY, sun_azimuth_rad=np.pi / 2, sun_elevation_rad=np.pi / 4)
    np.testing.assert_allclose(overlay_of(appearance).shift, [0.0, -1.0], atol=1e-12)
    low = replace(DAY, sun_elevation_rad=0.15, sun_colour=(1.0, 1.0, 1.0))
    assert np.hypot(*overlay_of(low).shift) == pytest.approx(5.0)


def test_lamps_outside_of_a_sheet_light_its_edge_only_within_their_reach():
    assert lamp_light(np.array([[-4.0, 100.0]]), 1.0)[100, 0] > 50
    assert not lamp_light(np.array([[-40.0, 100.0]]), 1.0).any()
