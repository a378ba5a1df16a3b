"""Thumbnails of drives for the viewer's list."""

import io
import logging

import numpy as np
from PIL import Image

from driving.agents import AgentTracks
from driving.ego import EgoMotion
from simulation.drawing.canvas import Canvas, draw_agents, draw_ego, draw_map, draw_path, shapes_around
from simulation.drawing.palette import LIGHT
from simulation.viewer.source import Source

logger = logging.getLogger(__name__)

SIZE_PX = (144, 90)
OVERSAMPLING = 2
MAX_PX_PER_M = 6.0
MARGIN_M = 15.0
"""Drawn width beyond each end of the path."""


def thumbnail(source: Source, key: str) -> bytes:
    """A small PNG of a whole drive: road, agents at the start, path, and ego at the end.

    The road is left out when the map is missing.

    Raises:
        FileNotFoundError: When there is neither a log nor a scenario.
        ValueError: When the log is damaged.
    """
    motion, agents = ego_and_agents(source, key)
    points = motion.center_poses()[0, :, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    size_px = (SIZE_PX[0] * OVERSAMPLING, SIZE_PX[1] * OVERSAMPLING)
    px_per_m = min(float(min(np.array(size_px) / (high - low + 2 * MARGIN_M))), MAX_PX_PER_M)
    canvas = Canvas.blank((low + high) / 2, size_px, px_per_m)
    try:
        draw_map(canvas, shapes_around(source.map(key), canvas))
    except (OSError, ValueError) as error:
        logger.info("thumbnail of %s without map: %s", key, error)
    draw_agents(canvas, agents, 0)
    draw_path(canvas, points, LIGHT.drives[0], 1.2)
    draw_ego(canvas, motion, motion.num_steps - 1, LIGHT.drives[0])
    buffer = io.BytesIO()
    canvas.image.resize(SIZE_PX, Image.Resampling.LANCZOS).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def ego_and_agents(source: Source, key: str) -> tuple[EgoMotion, AgentTracks]:
    """Ego and agents of a drive; of a logged scenario without a drive, the logged ones."""
    driven = source.log(key)
    if driven is not None:
        return driven.ego, driven.agents
    scenario = source.scenario(key)
    frames = (scenario.frames.start, scenario.frames.stop)
    return scenario.ego.steps(*frames), scenario.agents.steps(*frames)
