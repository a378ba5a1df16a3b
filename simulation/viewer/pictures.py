"""Drives drawn from above without a browser: thumbnails, and the frames of videos."""

import io
import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw

from driving.agents import AgentKind, AgentTracks, LightStatus
from driving.ego import EgoMotion
from driving.geometry import box_corners
from driving.map import MapGraph
from driving.vehicle import PACIFICA
from simulation.viewer.map_shapes import Shapes, map_shapes, region_around
from simulation.viewer.sources import Source

log = logging.getLogger(__name__)

Color = tuple[int, int, int]

GROUND: Color = (244, 245, 247)
ROAD: Color = (216, 220, 226)
JUNCTION: Color = (206, 211, 218)
WALKWAY: Color = (233, 228, 216)
CROSSWALK: Color = (240, 240, 240)
BOUNDARY: Color = (160, 168, 178)
LANE: Color = (190, 197, 206)
ROUTE: Color = (197, 222, 205)
GHOST: Color = (110, 118, 128)
# Okabe and Ito's colours, which colour-blind eyes can tell apart; the same as in the page.
KIND_COLORS: dict[int, Color] = {
    AgentKind.VEHICLE: (0, 114, 178),
    AgentKind.PEDESTRIAN: (204, 121, 167),
    AgentKind.BICYCLE: (86, 180, 233),
    AgentKind.TRAFFIC_CONE: (230, 159, 0),
    AgentKind.BARRIER: (230, 159, 0),
    AgentKind.CZONE_SIGN: (230, 159, 0),
    AgentKind.GENERIC_OBJECT: (110, 110, 110),
}
LIGHT_COLORS: dict[int, Color] = {
    LightStatus.GREEN: (0, 147, 107),
    LightStatus.YELLOW: (217, 164, 0),
    LightStatus.RED: (216, 27, 27),
}
EGO_COLORS: tuple[Color, ...] = ((213, 94, 0), (0, 158, 115), (120, 94, 240), (150, 120, 0))
"""Of up to four overlaid drives."""
THUMBNAIL_PX = (144, 90)
THUMBNAIL_SCALE = 2
_AREAS: tuple[tuple[str, Color], ...] = (
    ("walkways", WALKWAY),
    ("drivable", ROAD),
    ("intersections", JUNCTION),
    ("route", ROUTE),
    ("crosswalks", CROSSWALK),
)


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A picture of the world: north is up."""

    image: Image.Image
    corner: Float64[np.ndarray, "2"]
    """World point of the upper left pixel: least x, largest y [m, global]."""
    px_per_m: float

    @classmethod
    def blank(
        cls, center: Float64[np.ndarray, "2"], size_px: tuple[int, int], px_per_m: float, color: Color = GROUND
    ) -> "Canvas":
        """An empty picture around a point."""
        half = np.array([-size_px[0], size_px[1]]) / (2 * px_per_m)
        return cls(image=Image.new("RGB", size_px, color), corner=center + half, px_per_m=px_per_m)

    def pixels(self, points: Float64[np.ndarray, "points 2"]) -> list[tuple[float, float]]:
        """World points as pixels."""
        flat = (points - self.corner) * [self.px_per_m, -self.px_per_m]
        return [(float(x), float(y)) for x, y in flat]


def draw_map(canvas: Canvas, shapes: dict[str, Shapes]) -> None:
    """Areas, then lines. Holes are filled with the ground, also where another area lies below: it is small."""
    draw = ImageDraw.Draw(canvas.image)
    for name, color in _AREAS:
        for ring in sorted(shapes[name].points, key=_is_clockwise):
            draw.polygon(canvas.pixels(ring), fill=GROUND if _is_clockwise(ring) else color)
    width = max(1, round(canvas.px_per_m * 0.15))
    for line in shapes["boundaries"].points:
        draw.line(canvas.pixels(line), fill=BOUNDARY, width=width)
    for line in (*shapes["lanes"].points, *shapes["connectors"].points):
        draw.line(canvas.pixels(line), fill=LANE, width=max(1, width // 2))


def draw_agents(canvas: Canvas, agents: AgentTracks, step: int) -> None:
    """Boxes of all agents at a step."""
    draw = ImageDraw.Draw(canvas.image)
    rows = agents.rows_at(step)
    corners = box_corners(agents.poses[rows, step], agents.sizes[rows, step])
    for row, box in zip(rows, corners, strict=True):
        color = KIND_COLORS.get(int(agents.kinds[row]), GHOST)
        draw.polygon(canvas.pixels(box), fill=color, outline=(255, 255, 255))


def draw_ego(canvas: Canvas, motion: EgoMotion, step: int, color: Color) -> None:
    """The ego's box with a mark at its front."""
    draw = ImageDraw.Draw(canvas.image)
    center = motion.center_poses()[0, step]
    size = np.array([PACIFICA.length_m, PACIFICA.width_m])
    front_left, _, _, front_right = box_corners(center, size)
    nose = (front_left + front_right) / 2 + 0.6 * np.array([np.cos(center[2]), np.sin(center[2])])
    draw.polygon(canvas.pixels(box_corners(center, size)), fill=color, outline=(255, 255, 255))
    draw.polygon(canvas.pixels(np.stack([front_left, nose, front_right])), fill=color)


def draw_path(canvas: Canvas, points: Float64[np.ndarray, "points 2"], color: Color, width_m: float) -> None:
    """A line of world points."""
    if len(points) >= 2:
        width = max(1, round(width_m * canvas.px_per_m))
        ImageDraw.Draw(canvas.image).line(canvas.pixels(points), fill=color, width=width, joint="curve")


def thumbnail(source: Source, key: str) -> bytes:
    """The whole drive, small: road, agents at the start, path and ego at the end; without a map if there is none.

    Raises:
        FileNotFoundError: When there is nothing to draw.
        ValueError: When the log is damaged.
    """
    driven = source.log(key)
    if driven is not None:
        motion, agents = driven.ego, driven.agents
    else:
        scenario = source.scenario(key)
        frames = (scenario.frames.start, scenario.frames.stop)
        motion, agents = scenario.ego.steps(*frames), scenario.agents.steps(*frames)
    points = motion.center_poses()[0, :, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    size_px = (THUMBNAIL_PX[0] * THUMBNAIL_SCALE, THUMBNAIL_PX[1] * THUMBNAIL_SCALE)
    px_per_m = float(min(np.array(size_px) / (high - low + 30.0)))
    px_per_m = min(px_per_m, 6.0)
    canvas = Canvas.blank((low + high) / 2, size_px, px_per_m)
    try:
        draw_map(canvas, _shapes_around(source.map(key), canvas))
    except (OSError, ValueError) as error:
        log.info("thumbnail of %s without map: %s", key, error)
    draw_agents(canvas, agents, 0)
    draw_path(canvas, points, EGO_COLORS[0], 1.2)
    draw_ego(canvas, motion, motion.num_steps - 1, EGO_COLORS[0])
    buffer = io.BytesIO()
    canvas.image.resize(THUMBNAIL_PX, Image.Resampling.LANCZOS).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _shapes_around(map_graph: MapGraph, canvas: Canvas) -> dict[str, Shapes]:
    width, height = canvas.image.size
    far = canvas.corner + np.array([width, -height]) / canvas.px_per_m
    return map_shapes(map_graph, region_around(np.stack([canvas.corner, far]), 5.0), ())


def _is_clockwise(ring: np.ndarray) -> bool:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return bool(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) < 0)
