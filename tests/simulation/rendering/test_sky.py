"""The panorama of the sky."""

from dataclasses import replace

import numpy as np

from simulation.rendering.appearance import DAY, NIGHT
from simulation.rendering.camera_tables import SKY_COLUMNS, SKY_ROWS
from simulation.rendering.sky import sky_panorama


def channels(panorama):
    return np.stack([panorama & 1023, panorama >> 10 & 1023, panorama >> 20 & 1023], axis=-1).astype(int)


def test_a_clear_sky_is_blue_above_and_brightest_at_the_sun():
    clear = replace(DAY, cloud_cover=0.0, sun_azimuth_rad=np.pi / 2, sun_elevation_rad=0.5)
    sky = channels(sky_panorama(clear, 0))
    assert sky.shape == (SKY_ROWS, SKY_COLUMNS, 3)
    away = sky[230, 3 * SKY_COLUMNS // 4]
    assert away[2] > 1.5 * away[0]
    row, column = np.unravel_index(np.argmax(sky.sum(axis=-1)), sky.shape[:2])
    assert abs(column - SKY_COLUMNS // 4) < 12
    assert abs(((row + 0.5) / SKY_ROWS) ** 2 * np.pi / 2 - 0.5) < 0.04


def test_the_horizon_has_no_edge_where_the_panorama_closes():
    sky = channels(sky_panorama(replace(DAY, cloud_cover=0.6), 1))
    seam = np.abs(sky[:, 0] - sky[:, -1]).mean()
    assert seam < 3 * np.abs(np.diff(sky, axis=1)).mean() + 1


def test_nights_are_dark_and_have_stars():
    sky = channels(sky_panorama(replace(NIGHT, cloud_cover=0.0), 0))
    assert np.median(sky[100:]) < 20
    assert 50 < (sky[150:].max(axis=-1) > 3 * np.median(sky[150:])).sum() < 5000
