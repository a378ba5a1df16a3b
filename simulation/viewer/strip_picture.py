"""The camera images of one instant of a drive as one picture, with true and perceived boxes."""

import math

import numpy as np
from PIL import Image, ImageDraw

from driving.cameras import CameraRig
from driving.geometry import SOLID_EDGES
from simulation.drawing.palette import DARK, LIGHT
from simulation.viewer.rendered_cameras import RenderedStrip

GAP_PX = 6
DASH_PX, SPACE_PX = 7.0, 5.0
Point = tuple[float, float]


def strip_picture(strip: RenderedStrip, step: int, width_px: int) -> Image.Image:
    """Two rows of images, the forward cameras above; true boxes are solid, perceived ones dashed, false ones red.

    Args:
        strip: Of the drive.
        step: Of the drive.
        width_px: Of the picture.

    Raises:
        ValueError: When the drive has no such step.
    """
    images = strip.images_at(step)
    order = in_rows(strip.rig)
    columns = math.ceil(len(order) / 2)
    cell_px = (width_px - GAP_PX * (columns - 1)) // columns
    cells = [_image_with_boxes(strip, images[camera], cell_px) for camera in order]
    heights = [max(cell.height for cell in row) for row in (cells[:columns], cells[columns:]) if row]
    picture = Image.new("RGB", (width_px, sum(heights) + GAP_PX * (len(heights) - 1)), "white")
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        picture.paste(cell, (column * (cell_px + GAP_PX), row * (heights[0] + GAP_PX)))
    return picture


def in_rows(rig: CameraRig) -> list[int]:
    """Cameras in reading order: the more forward half from left to right, then the others from left to right."""
    forward = rig.ego_from_camera[:, :2, 2]
    yaws = np.arctan2(forward[:, 1], forward[:, 0])
    nearest = sorted(range(len(yaws)), key=lambda camera: abs(yaws[camera]))
    count = math.ceil(len(nearest) / 2)
    front = sorted(nearest[:count], key=lambda camera: -yaws[camera])
    return front + sorted(nearest[count:], key=lambda camera: yaws[camera] % (2 * np.pi))


def _image_with_boxes(strip: RenderedStrip, image: dict, width_px: int) -> Image.Image:
    pixels = strip.pixels(image["frame"])
    scale = width_px / pixels.shape[1]
    size = (width_px, round(pixels.shape[0] * scale))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    kinds = {kind.name.lower(): color for kind, color in DARK.kinds.items()}
    for box in image["boxes"]:
        for line in _edges(box["corners"], scale):
            draw.line(line, fill=kinds[box["kind"]], width=2)
    for box in image.get("perceived", ()):
        for line in _edges(box["corners"], scale):
            for dash in _dashes(*line):
                draw.line(dash, fill=DARK.bound if box["is_false"] else DARK.perceived, width=2)
    name = strip.rig.names[image["camera"]]
    left, top, right, bottom = draw.textbbox((8, size[1] - 18), name)
    draw.rectangle((left - 4, top - 3, right + 4, bottom + 3), fill=DARK.ground)
    draw.text((8, size[1] - 18), name, fill=LIGHT.edge)
    return picture


def _edges(corners: list[list[float]], scale: float) -> list[tuple[Point, Point]]:
    # The centre of the first pixel is (0, 0), before and after scaling.
    points = [((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5) for x, y in corners]
    return [(points[first], points[second]) for first, second in SOLID_EDGES]


def _dashes(start: Point, end: Point) -> list[tuple[Point, Point]]:
    """Pieces of a line."""
    length_px = math.dist(start, end)
    if length_px < 1e-6:
        return []

    def at(along_px: float) -> Point:
        share = min(along_px / length_px, 1.0)
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    firsts = np.arange(0.0, length_px, DASH_PX + SPACE_PX).tolist()
    return [(at(first_px), at(first_px + DASH_PX)) for first_px in firsts]
