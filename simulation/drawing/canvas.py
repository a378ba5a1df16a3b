"""Raster drawing of drives from above with Pillow, for thumbnails and the frames of videos."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoMotion
from driving.geometry import box_corners
from driving.map import MapGraph
from driving.vehicle import PACIFICA
from simulation.drawing.map_shapes import Shapes, map_shapes, region_around
from simulation.drawing.palette import LIGHT, blended

MARGIN_M = 5.0
"""Of the map around a picture: lines at its edge are as wide as elsewhere."""
_AREAS: tuple[tuple[str, str], ...] = (
    ("walkways", LIGHT.walkway),
    ("drivable", LIGHT.road),
    ("intersections", LIGHT.junction),
    ("route", blended(LIGHT.route, LIGHT.road)),
    ("crosswalks", LIGHT.crosswalk),
)


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A picture of the map frame, north up."""

    image: Image.Image
    corner: Float64[np.ndarray, "2"]
    """Global position of the upper left pixel: minimal x, maximal y [m]."""
    px_per_m: float

    @classmethod
    def blank(
        cls, center: Float64[np.ndarray, "2"], size_px: tuple[int, int], px_per_m: float, color: str = LIGHT.ground
    ) -> "Canvas":
        """An empty picture around a global position."""
        half = np.array([-size_px[0], size_px[1]]) / (2 * px_per_m)
        return cls(image=Image.new("RGB", size_px, color), corner=center + half, px_per_m=px_per_m)

    def pixels(self, points: Float64[np.ndarray, "points 2"]) -> list[tuple[float, float]]:
        """Pixels of global positions."""
        flat = (points - self.corner) * [self.px_per_m, -self.px_per_m]
        return [(float(x), float(y)) for x, y in flat]


def draw_map(canvas: Canvas, shapes: dict[str, Shapes]) -> None:
    """Draw areas, then lines. Holes are filled with the ground colour, even above another area."""
    draw = ImageDraw.Draw(canvas.image)
    for name, color in _AREAS:
        for ring in sorted(shapes[name].points, key=_is_clockwise):
            draw.polygon(canvas.pixels(ring), fill=LIGHT.ground if _is_clockwise(ring) else color)
    width = max(1, round(canvas.px_per_m * 0.15))
    for line in shapes["boundaries"].points:
        draw.line(canvas.pixels(line), fill=LIGHT.boundary, width=width)
    for line in (*shapes["lanes"].points, *shapes["connectors"].points):
        draw.line(canvas.pixels(line), fill=LIGHT.lane, width=max(1, width // 2))


def shapes_around(map_graph: MapGraph, canvas: Canvas) -> dict[str, Shapes]:
    """The part of a map that a picture shows, without a route."""
    width, height = canvas.image.size
    opposite = canvas.corner + np.array([width, -height]) / canvas.px_per_m
    return map_shapes(map_graph, region_around(np.stack([canvas.corner, opposite]), MARGIN_M), ())


def draw_agents(canvas: Canvas, agents: AgentTracks, step: int) -> None:
    """Draw the boxes of all agents at a step."""
    draw = ImageDraw.Draw(canvas.image)
    rows = agents.rows_at(step)
    corners = box_corners(agents.poses[rows, step], agents.sizes[rows, step])
    for row, box in zip(rows, corners, strict=True):
        color = LIGHT.kinds[AgentKind(int(agents.kinds[row]))]
        draw.polygon(canvas.pixels(box), fill=color, outline=LIGHT.edge)


def draw_ego(canvas: Canvas, motion: EgoMotion, step: int, color: str) -> None:
    """Draw the ego's box at a step, with a nose at its front."""
    draw = ImageDraw.Draw(canvas.image)
    center = motion.center_poses()[0, step]
    size = np.array([PACIFICA.length_m, PACIFICA.width_m])
    front_left, _, _, front_right = box_corners(center, size)
    nose = (front_left + front_right) / 2 + 0.6 * np.array([np.cos(center[2]), np.sin(center[2])])
    draw.polygon(canvas.pixels(box_corners(center, size)), fill=color, outline=LIGHT.edge)
    draw.polygon(canvas.pixels(np.stack([front_left, nose, front_right])), fill=color)


def draw_path(canvas: Canvas, points: Float64[np.ndarray, "points 2"], color: str, width_m: float) -> None:
    """Draw a line through global positions."""
    if len(points) >= 2:
        width = max(1, round(width_m * canvas.px_per_m))
        ImageDraw.Draw(canvas.image).line(canvas.pixels(points), fill=color, width=width, joint="curve")


def _is_clockwise(ring: Float64[np.ndarray, "points 2"]) -> bool:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return bool(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) < 0)
