"""The drivable area as a raster, a layer of the devkit's maps."""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from driving.map import AreaLayer

CELL_M = 1.0
MAX_CELLS = 16_000_000
"""Larger maps have coarser cells."""
MARGIN_M = 10.0


@dataclass(frozen=True, kw_only=True)
class DrivableRaster:
    """A grid of cells; the first row is the northernmost."""

    cells: UInt8[np.ndarray, "rows columns"]
    """1 where drivable, else 0."""
    cell_from_global: Float64[np.ndarray, "4 4"]
    """(x, y, 0, 1) [m] to (column, row, 0, 1)."""


def drivable_raster(area: AreaLayer) -> DrivableRaster | None:
    """Rasterise the drivable area; None when it is empty."""
    if not len(area):
        return None
    west, south, east, north = shapely.total_bounds(area.polygons) + MARGIN_M * np.array([-1, -1, 1, 1])
    cell_m = CELL_M * max(1, math.ceil(math.sqrt((east - west) * (north - south) / (MAX_CELLS * CELL_M**2))))
    west, north = math.floor(west), math.ceil(north)
    image = Image.new("L", (math.ceil((east - west) / cell_m), math.ceil((north - south) / cell_m)))
    draw = ImageDraw.Draw(image)

    def cells(ring: shapely.LinearRing) -> list[tuple[float, float]]:
        points = shapely.get_coordinates(ring)
        return [*zip((points[:, 0] - west) / cell_m, (north - points[:, 1]) / cell_m, strict=True)]

    for polygon in shapely.get_parts(area.polygons):
        if not len(polygon.interiors):
            draw.polygon(cells(polygon.exterior), fill=1)
            continue
        # A polygon with holes is drawn on an image of its own, because a hole must not clear other polygons.
        polygon_image = Image.new("L", image.size)
        draw_polygon = ImageDraw.Draw(polygon_image)
        draw_polygon.polygon(cells(polygon.exterior), fill=1)
        for ring in polygon.interiors:
            draw_polygon.polygon(cells(ring), fill=0)
        image.paste(1, mask=polygon_image.point(lambda value: 255 * value))
    scale = 1 / cell_m
    matrix = np.array(
        [
            [scale, 0.0, 0.0, -west * scale],
            [0.0, -scale, 0.0, north * scale],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    return DrivableRaster(cells=np.asarray(image, dtype=np.uint8).copy(), cell_from_global=matrix)
