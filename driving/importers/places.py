"""Geographic place of a recording: nuPlan stores positions in a UTM zone, most sources in a frame of their own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from pyproj import Transformer


@dataclass(frozen=True, kw_only=True)
class Place:
    """The frame of a source (x east, y north [m]) in a UTM zone. Coordinates are shifted, not turned or scaled."""

    epsg: int
    """Code of the UTM zone, for example 32617 for 17N."""
    offset_m: tuple[float, float]
    """Easting and northing of the frame's origin."""
    note: str
    """Accuracy of the place."""

    def to_global(self, points: Float64[np.ndarray, "*shape 2"]) -> Float64[np.ndarray, "*shape 2"]:
        """Points of the source's frame in the UTM zone."""
        return points + np.array(self.offset_m)

    def poses_to_global(self, poses: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
        """Poses of the source's frame in the UTM zone."""
        return poses + np.array([*self.offset_m, 0.0])

    @property
    def metadata(self) -> dict[str, str]:
        """Entry for the metadata of recording and map."""
        easting, northing = self.offset_m
        return {"place": f"source coordinates + ({easting:.3f}, {northing:.3f}) m in EPSG:{self.epsg}; {self.note}"}


def place_at(latitude: float, longitude: float, note: str) -> Place:
    """A frame with its origin at a known point, in the UTM zone of that point.

    Raises:
        ValueError: When the point is not on earth.
    """
    if not (-80.0 <= latitude <= 84.0 and -180.0 <= longitude <= 180.0):
        raise ValueError(
            f"A UTM position needs a latitude from -80 to 84 and a longitude from -180 to 180 degrees,"
            f" got {latitude} and {longitude}."
        )
    zone = min(int((longitude + 180.0) // 6.0) + 1, 60)
    epsg = (32600 if latitude >= 0 else 32700) + zone
    easting, northing = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    return Place(epsg=epsg, offset_m=(round(easting, 3), round(northing, 3)), note=note)


NOWHERE = Place(
    epsg=32632,
    offset_m=(500_000.0, 5_300_000.0),
    note="made up, as the source has no place",
)
"""Place for recordings without one, so that their longitudes and latitudes are valid."""
