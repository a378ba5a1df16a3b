"""Pictures of what was perceived: boxes on an image, boxes and road from above."""

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from driving.cameras import CameraRig
from driving.geometry import SOLID_EDGES, box_corners, solid_corners
from perception.contract import CENTRE_CLASSES, OCCUPANCY_CLASSES, ROAD_CLASSES
from perception.decoding import Detections, PerceivedGrid
from perception.lift import visible_pixels

COLOURS = {
    "vehicle": (230, 159, 0),
    "pedestrian": (204, 121, 167),
    "bicycle": (86, 180, 233),
    "static_object": (240, 228, 66),
}
"""Of boxes, by class (Okabe and Ito)."""
ROAD_COLOURS = {
    "drivable": (120, 120, 124),
    "lane_line": (235, 235, 235),
    "crosswalk": (170, 190, 235),
    "stop_line": (213, 94, 0),
}
PERSON = (204, 121, 167)
EGO = (0, 158, 115)
CELL_PX = 5
"""Size of a cell in the picture from above."""
EDGE_POINTS = 24
"""Points per edge, so that edges bend with the distortion and end near the border of the image."""


def drawn_boxes(
    image: UInt8[np.ndarray, "height width 3"], rig: CameraRig, camera: int, detections: Detections
) -> Image.Image:
    """The image with the boxes that lie in it.

    Args:
        image: Of the camera.
        rig: Of the image.
        camera: Index into the rig.
        detections: In the ego frame.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    width = max(1, image.shape[1] // 400)
    share = np.linspace(0, 1, EDGE_POINTS)[:, np.newaxis]
    boxes = detections.boxes
    for row in range(len(detections.scores)):
        corners = solid_corners(boxes.poses[row], boxes.sizes_m[row])
        colour = COLOURS[CENTRE_CLASSES[boxes.classes[row]]]
        for first, second in SOLID_EDGES:
            edge = (1 - share) * corners[first] + share * corners[second]
            pixels, is_visible = visible_pixels(rig, camera, edge)
            line = [tuple(pixel) for pixel in pixels[is_visible].tolist()]
            if len(line) > 1:
                draw.line(line, fill=colour, width=width)
    return picture


def drawn_from_above(grid: PerceivedGrid, detections: Detections) -> Image.Image:
    """Road classes, footprints and boxes; x of the ego points up, y to the left."""
    colours = np.full((*grid.grid.shape, 3), 30.0)
    layers = [(grid.road[row], ROAD_COLOURS[name]) for row, name in enumerate(ROAD_CLASSES)]
    layers += [(grid.occupancy[OCCUPANCY_CLASSES.index("person")], PERSON)]
    for probability, colour in layers:
        weight = np.where(probability >= 0.5, probability, 0.0)[..., np.newaxis]
        colours += weight * (np.array(colour) - colours)
    # The first row of a picture is the farthest, its first column the leftmost.
    cells = Image.fromarray(colours[::-1, ::-1].astype(np.uint8))
    picture = cells.resize((cells.width * CELL_PX, cells.height * CELL_PX), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    boxes = detections.boxes
    for row in range(len(detections.scores)):
        corners = box_corners(boxes.poses[row], boxes.sizes_m[row, :2])
        draw.polygon(_pixels(grid, corners), outline=COLOURS[CENTRE_CLASSES[boxes.classes[row]]], width=2)
    ego = np.array([[4.05, 1.0], [-1.1, 1.0], [-1.1, -1.0], [4.05, -1.0]])
    draw.polygon(_pixels(grid, ego), outline=EGO, width=2)
    return picture


def _pixels(grid: PerceivedGrid, points: Float64[np.ndarray, "points 2"]) -> list[tuple[float, float]]:
    scale = CELL_PX / grid.grid.cell_m
    return [(scale * (grid.grid.y_max_m - y), scale * (grid.grid.x_max_m - x)) for x, y in points.tolist()]


def box_records(detections: Detections) -> list[dict[str, float | str]]:
    """Boxes as JSON: ego frame, metres, radians, metres per second."""
    boxes = detections.boxes
    return [
        {
            "class": CENTRE_CLASSES[boxes.classes[row]],
            "score": round(float(detections.scores[row]), 3),
            **_rounded(("x_m", "y_m", "heading_rad"), boxes.poses[row]),
            **_rounded(("length_m", "width_m", "height_m"), boxes.sizes_m[row]),
            **_rounded(("velocity_x_mps", "velocity_y_mps"), boxes.velocities_mps[row]),
        }
        for row in range(len(detections.scores))
    ]


def _rounded(names: tuple[str, ...], values: Float64[np.ndarray, "values"]) -> dict[str, float | str]:
    return {name: round(value, 3) for name, value in zip(names, values.tolist(), strict=True)}
