"""The drivable area as a picture: the raster layer that the devkit offers beside the polygons."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from driving.map import AreaLayer

CELL_M = 1.0
MAX_CELLS = 16_000_000
"""A larger map gets coarser cells."""
MARGIN_M = 10.0


@dataclass(frozen=True, kw_only=True)
class DrivableRaster:
    """A grid of cells, the first row in the north."""

    cells: UInt8[np.ndarray, "rows columns"]
    """1 where drivable, else 0."""
    cell_from_global: Float64[np.ndarray, "4 4"]
    """(x, y, 0, 1) [m] to (column, row, 0, 1)."""


def drivable_raster(area: AreaLayer) -> DrivableRaster | None:
    """Draw the drivable area; None where there is none."""
    if not len(area):
        return None
    west, south, east, north = shapely.total_bounds(area.polygons) + MARGIN_M * np.array([-1, -1, 1, 1])
    cell_m = CELL_M * max(1, math.ceil(math.sqrt((east - west) * (north - south) / (MAX_CELLS * CELL_M**2))))
    west, north = math.floor(west), math.ceil(north)
    picture = Image.new("L", (math.ceil((east - west) / cell_m), math.ceil((north - south) / cell_m)))
    draw = ImageDraw.Draw(picture)

    def cells(ring: shapely.LinearRing) -> list[tuple[float, float]]:
        points = shapely.get_coordinates(ring)
        return [*zip((points[:, 0] - west) / cell_m, (north - points[:, 1]) / cell_m, strict=True)]

    for polygon in shapely.get_parts(area.polygons):
        if not len(polygon.interiors):
            draw.polygon(cells(polygon.exterior), fill=1)
            continue
        # A hole is drawn apart: over the picture it would also cut what other polygons cover.
        single = Image.new("L", picture.size)
        drawn = ImageDraw.Draw(single)
        drawn.polygon(cells(polygon.exterior), fill=1)
        for ring in polygon.interiors:
            drawn.polygon(cells(ring), fill=0)
        picture.paste(1, mask=single.point(lambda value: 255 * value))
    scale = 1 / cell_m
    matrix = np.array(
        [
            [scale, 0.0, 0.0, -west * scale],
            [0.0, -scale, 0.0, north * scale],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    return DrivableRaster(cells=np.asarray(picture, dtype=np.uint8).copy(), cell_from_global=matrix)
