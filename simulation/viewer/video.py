"""Drives as a video: MP4 (H.264) for slides and chats, GIF where nothing else plays."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from driving.geometry import shifted_along_heading
from driving.map import MapGraph
from driving.vehicle import PACIFICA
from simulation.log import SimulationLog
from simulation.viewer.map_shapes import map_shapes, region_around
from simulation.viewer.pictures import (
    EGO_COLORS,
    GHOST,
    LIGHT_COLORS,
    Canvas,
    draw_agents,
    draw_ego,
    draw_map,
    draw_path,
)
from simulation.viewer.sources import Source

MEDIA_TYPES = {"mp4": "video/mp4", "gif": "image/gif"}
SIZE_PX = (960, 600)
GIF_SIZE_PX = (640, 400)
PX_PER_M = 7.0
FRAMES_PER_S = 10
_OVERSAMPLING = 2
_MARGIN_M = 110.0
_TEXT = (40, 46, 54)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One drive to be filmed."""

    log: SimulationLog
    map: MapGraph | None
    """None where it is not there: then the video shows the drive on blank ground."""
    route: tuple[int, ...]
    logged_path: np.ndarray
    """(points, 2) box centres of the logged ego [m, global]; empty where unknown."""


def shot_of(source: Source, key: str) -> Shot:
    """A drive with its surroundings, as far as they are found.

    Raises:
        FileNotFoundError: When there is no drive.
        ValueError: When the log is damaged, or nobody has driven.
    """
    driven = source.log(key)
    if driven is None:
        raise ValueError("A video shows a drive; nobody has driven this scenario yet.")
    try:
        scenario = source.scenario(key)
    except (OSError, ValueError):
        return Shot(log=driven, map=None, route=(), logged_path=np.zeros((0, 2)))
    logged = scenario.ego.center_poses()[0, scenario.frames, :2]
    return Shot(log=driven, map=scenario.map, route=scenario.route.roadblock_ids, logged_path=logged)


def encode(
    shots: Sequence[Shot], kind: str, on_frame: Callable[[int, int], None] = lambda done, total: None
) -> bytes:
    """Film drives of one scenario, overlaid; the first is followed, and its agents are shown.

    Args:
        shots: One to four.
        kind: `mp4` or `gif`.
        on_frame: Told how many frames of how many are done.

    Raises:
        ValueError: For another kind, without drives, or with drives of different scenarios.
    """
    if kind not in MEDIA_TYPES:
        raise ValueError(f"A video is mp4 or gif, not {kind!r}.")
    if not 1 <= len(shots) <= len(EGO_COLORS):
        raise ValueError(f"A video shows 1 to {len(EGO_COLORS)} drives, got {len(shots)}.")
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
    """Everything that does not move, once: the frames are cut out of it."""
    points = shots[0].log.ego.center_poses()[0, :, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    px_per_m = PX_PER_M * _OVERSAMPLING * size_px[0] / SIZE_PX[0]
    spread = np.ceil((high - low) * px_per_m).astype(int) + np.array(size_px) * _OVERSAMPLING + 4
    canvas = Canvas.blank((low + high) / 2, (int(spread[0]), int(spread[1])), px_per_m)
    first = shots[0]
    if first.map is not None:
        draw_map(canvas, map_shapes(first.map, region_around(points, _MARGIN_M), first.route))
    draw_path(canvas, first.logged_path, GHOST, 0.35)
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
    for shot, color in reversed(list(zip(shots, EGO_COLORS, strict=False))):
        then = min(step, shot.log.num_steps - 1)
        plan = shifted_along_heading(shot.log.plans[then].poses, PACIFICA.rear_axle_to_center_m)
        draw_path(canvas, plan[:, :2], color, 0.5)
        draw_ego(canvas, shot.log.ego, then, color)
    image = image.resize(size_px, Image.Resampling.BOX)
    _write_words(image, shots, step)
    return image


def _draw_lights(canvas: Canvas, shot: Shot, step: int) -> None:
    if shot.map is None:
        return
    for connector, status in zip(*shot.log.traffic_lights.at(step), strict=True):
        row, color = shot.map.lanes.areas.row(int(connector)), LIGHT_COLORS.get(int(status))
        if row is not None and color is not None:
            draw_path(canvas, shot.map.lanes.centerlines[row], color, 0.35)


def _write_words(image: Image.Image, shots: Sequence[Shot], step: int) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=15)
    first = shots[0].log
    now = min(step, first.num_steps - 1)
    time_s = (first.ego.time_us[now] - first.ego.time_us[0]) * 1e-6
    title = f"{first.scenario_type.replace('_', ' ')}   {time_s:4.1f} s   {first.ego.speed_mps[0, now]:4.1f} m/s"
    draw.rectangle((0, 0, image.width, 26), fill=(255, 255, 255))
    draw.text((10, 4), title, fill=_TEXT, font=font)
    place = image.width - 10
    for shot, color in reversed(list(zip(shots, EGO_COLORS, strict=False))):
        text = shot.log.planner_name
        place -= int(draw.textlength(text, font=font))
        draw.text((place, 4), text, fill=_TEXT, font=font)
        draw.rectangle((place - 18, 7, place - 6, 19), fill=color)
        place -= 34


def _gif(images: Iterator[Image.Image]) -> bytes:
    # One palette for all frames: smaller, and colours do not flicker.
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
