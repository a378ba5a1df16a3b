"""Videos of drives from above: MP4 (H.264) or GIF."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont

from driving.agents import LightStatus
from driving.geometry import shifted_along_heading
from driving.map import MapGraph
from driving.vehicle import PACIFICA
from simulation.drawing.canvas import Canvas, draw_agents, draw_ego, draw_map, draw_path
from simulation.drawing.map_shapes import map_shapes, region_around
from simulation.drawing.palette import LIGHT
from simulation.log import SimulationLog
from simulation.viewer.source import Source

MEDIA_TYPES = {"mp4": "video/mp4", "gif": "image/gif"}
SIZE_PX = (960, 600)
GIF_SIZE_PX = (640, 400)
PX_PER_M = 7.0
FRAMES_PER_S = 10
_OVERSAMPLING = 2
_MARGIN_M = 110.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """A drive and its scene."""

    log: SimulationLog
    map: MapGraph | None
    """None when the map is missing: the video then has a blank ground."""
    route: tuple[int, ...]
    logged_path: Float64[np.ndarray, "points 2"]
    """Box centres of the logged ego [m, global]; empty when unknown."""


def shot_of(source: Source, key: str) -> Shot:
    """A drive with its map and logged ego, as far as the data set is available.

    Raises:
        FileNotFoundError: When the simulation log is missing.
        ValueError: When the log is damaged, or the scenario has no drive.
    """
    driven = source.log(key)
    if driven is None:
        raise ValueError(f"A video needs a drive; {key} is a logged scenario without one.")
    try:
        scenario = source.scenario(key)
    except (OSError, ValueError):
        return Shot(log=driven, map=None, route=(), logged_path=np.zeros((0, 2)))
    logged = scenario.ego.center_poses()[0, scenario.frames, :2]
    return Shot(log=driven, map=scenario.map, route=scenario.route.roadblock_ids, logged_path=logged)


def encode(
    shots: Sequence[Shot], kind: str, on_frame: Callable[[int, int], None] = lambda done, total: None
) -> bytes:
    """Encode overlaid drives of one scenario; the view follows the first and draws its agents.

    Args:
        shots: One to four.
        kind: `mp4` or `gif`.
        on_frame: Called after each frame with the number of finished frames and of all frames.

    Raises:
        ValueError: For another kind, another number of drives, or drives of different scenarios.
    """
    if kind not in MEDIA_TYPES:
        raise ValueError(f"A video is mp4 or gif, not {kind!r}.")
    if not 1 <= len(shots) <= len(LIGHT.drives):
        raise ValueError(f"A video shows 1 to {len(LIGHT.drives)} drives, got {len(shots)}.")
    if len({shot.log.scenario_id for shot in shots}) != 1:
        raise ValueError("The drives of one video must be of one scenario.")
    size = GIF_SIZE_PX if kind == "gif" else SIZE_PX
    images = _images(shots, size, on_frame)
    return _gif(images) if kind == "gif" else _mp4(images, size)


def _images(
    shots: Sequence[Shot], size_px: tuple[int, int], on_frame: Callable[[int, int], None]
) -> Iterator[Image.Image]:
    ground = _ground(shots, size_px)
    total = max(shot.log.num_steps for shot in shots)
    for step in range(total):
        yield _image(shots, ground, size_px, step)
        on_frame(step + 1, total)


def _ground(shots: Sequence[Shot], size_px: tuple[int, int]) -> Canvas:
    """Map and logged path around the whole drive; each frame is a crop of it."""
    points = shots[0].log.ego.center_poses()[0, :, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    px_per_m = PX_PER_M * _OVERSAMPLING * size_px[0] / SIZE_PX[0]
    spread = np.ceil((high - low) * px_per_m).astype(int) + np.array(size_px) * _OVERSAMPLING + 4
    canvas = Canvas.blank((low + high) / 2, (int(spread[0]), int(spread[1])), px_per_m)
    first = shots[0]
    if first.map is not None:
        draw_map(canvas, map_shapes(first.map, region_around(points, _MARGIN_M), first.route))
    draw_path(canvas, first.logged_path, LIGHT.logged_ego, 0.35)
    return canvas


def _image(shots: Sequence[Shot], ground: Canvas, size_px: tuple[int, int], step: int) -> Image.Image:
    first = shots[0].log
    now = min(step, first.num_steps - 1)
    center = first.ego.center_poses()[0, now, :2]
    width, height = size_px[0] * _OVERSAMPLING, size_px[1] * _OVERSAMPLING
    left, top = ground.pixels(center[np.newaxis])[0]
    box = (round(left - width / 2), round(top - height / 2))
    corner = ground.corner + np.array([box[0], -box[1]]) / ground.px_per_m
    image = ground.image.crop((*box, box[0] + width, box[1] + height))
    canvas = Canvas(image=image, corner=corner, px_per_m=ground.px_per_m)
    _draw_lights(canvas, shots[0], now)
    draw_agents(canvas, first.agents, now)
    for shot, color in reversed(list(zip(shots, LIGHT.drives, strict=False))):
        at = min(step, shot.log.num_steps - 1)
        plan = shifted_along_heading(shot.log.plans[at].poses, PACIFICA.rear_axle_to_center_m)
        draw_path(canvas, plan[:, :2], color, 0.5)
        draw_ego(canvas, shot.log.ego, at, color)
    image = image.resize(size_px, Image.Resampling.BOX)
    _draw_title(image, shots, step)
    return image


def _draw_lights(canvas: Canvas, shot: Shot, step: int) -> None:
    if shot.map is None:
        return
    for connector, status in zip(*shot.log.traffic_lights.at(step), strict=True):
        row, status = shot.map.lanes.areas.row(int(connector)), LightStatus(int(status))
        if row is not None and status != LightStatus.UNKNOWN:
            draw_path(canvas, shot.map.lanes.centerlines[row], LIGHT.lights[status], 0.35)


def _draw_title(image: Image.Image, shots: Sequence[Shot], step: int) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=15)
    first = shots[0].log
    now = min(step, first.num_steps - 1)
    time_s = (first.ego.time_us[now] - first.ego.time_us[0]) * 1e-6
    title = f"{first.scenario_type.replace('_', ' ')}   {time_s:4.1f} s   {first.ego.speed_mps[0, now]:4.1f} m/s"
    draw.rectangle((0, 0, image.width, 26), fill=LIGHT.edge)
    draw.text((10, 4), title, fill=LIGHT.text, font=font)
    left = image.width - 10
    for shot, color in reversed(list(zip(shots, LIGHT.drives, strict=False))):
        text = shot.log.planner_name
        left -= int(draw.textlength(text, font=font))
        draw.text((left, 4), text, fill=LIGHT.text, font=font)
        draw.rectangle((left - 18, 7, left - 6, 19), fill=color)
        left -= 34


def _gif(images: Iterator[Image.Image]) -> bytes:
    # One colour table for all frames: a smaller file without flicker.
    first = next(images)
    palette = first.quantize(128, dither=Image.Dither.NONE)
    frames = [palette, *(image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / FRAMES_PER_S),
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def _mp4(images: Iterator[Image.Image], size_px: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return buffer.getvalue()
