import numpy as np
import pytest

from driving.importers.places import place_at


@pytest.mark.parametrize(
    ("latitude", "longitude", "epsg"),
    [
        (40.44, -80.01, 32617),
        (1.29, 103.78, 32648),
        (42.34, -71.06, 32619),
        (34.1, -118.4, 32611),
        (-33.9, 18.4, 32734),
    ],
)
def test_the_zone_is_that_of_the_place(latitude, longitude, epsg):
    assert place_at(latitude, longitude, "test").epsg == epsg


def test_coordinates_are_shifted_and_never_turned():
    place = place_at(0.0, 9.0, "test")
    # On the central meridian of zone 32, at the equator.
    np.testing.assert_allclose(place.to_global(np.array([[1.0, 2.0]])), [[500_001.0, 2.0]])
    np.testing.assert_allclose(place.poses_to_global(np.array([[1.0, 2.0, 0.5]])), [[500_001.0, 2.0, 0.5]])
    assert "500000.000" in place.metadata["place"]


def test_a_place_off_the_earth_is_refused():
    with pytest.raises(ValueError, match=r"latitude from -80 to 84 .* got 91"):
        place_at(91.0, 0.0, "test")
