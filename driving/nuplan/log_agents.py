"""Agents and traffic lights at frames of a nuPlan log."""

import logging
import sqlite3
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain

import numpy as np
from jaxtyping import Float64, Int8, Int64

from driving.agents import AgentKind, AgentTracks, LightStatus, TrafficLights, static_mask
from driving.nuplan.box_rows import as_keys, rows_of_frames
from driving.nuplan.database import has_table
from driving.nuplan.log_checks import is_number
from driving.nuplan.logs import FrameRows, LogIndex, numbers

logger = logging.getLogger(__name__)

DEFAULT_HEIGHT_M = 1.6
"""Height of a box that has none."""

_STATUSES = {"green": LightStatus.GREEN, "yellow": LightStatus.YELLOW, "red": LightStatus.RED}
_BOX_COLUMNS = "track_token, x, y, yaw, vx, vy, length, width, height, z"


def read_agents(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> AgentTracks:
    """All boxes at some frames. Tracks are numbered in the order of their first boxes in the file.

    Within a frame boxes are ordered by kind and then as in the file, because the devkit's `TrackedObjects` sorts them
    so; its reactive traffic and PDM-Closed go through them in that order. Boxes of no listed track are ignored with a
    warning; the devkit's joins drop them too.

    Raises:
        ValueError: When a box has a pose, size or velocity that is not a number, or a size of 0.
    """
    found = rows_of_frames(connection, index, "lidar_box", _BOX_COLUMNS, frames.tokens)
    steps = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    boxes = list(chain.from_iterable(found))
    is_known = np.array([box[0] in index.kinds for box in boxes], dtype=bool)
    if not is_known.all():
        logger.warning(
            "%s: table `lidar_box`: %d boxes of no listed track are ignored, the first at %d us.",
            index.path,
            (~is_known).sum(),
            frames.time_us[steps[~is_known][0]],
        )
        boxes, steps = [boxes[row] for row in np.flatnonzero(is_known)], steps[is_known]
    tokens = [box[0] for box in boxes]
    values = numbers([box[1:] for box in boxes], 9)
    _, first, agents = np.unique(as_keys(tokens), return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    agents = np.argsort(by_appearance)[agents]
    track_tokens = [tokens[row] for row in first[by_appearance]]
    kinds = np.array([index.kinds[token] for token in track_tokens], dtype=np.int8)
    by_kind = np.lexsort((kinds[agents], steps))
    steps, agents, values = steps[by_kind], agents[by_kind], values[by_kind]
    values[static_mask(kinds)[agents], BoxColumn.VX : BoxColumn.VY + 1] = 0.0
    sizes = values[:, BoxColumn.LENGTH : BoxColumn.WIDTH + 1]
    is_usable = np.isfinite(values[:, : BoxColumn.HEIGHT]).all(axis=1) & (sizes > 0).all(axis=1)
    if not is_usable.all():
        bad = int(np.argmin(is_usable))
        raise ValueError(_bad_box(index, track_tokens[agents[bad]], int(frames.time_us[steps[bad]])))
    track_ids = tuple(token.hex() for token in track_tokens)
    return _tracks(index, _Boxes(values=values, steps=steps, agents=agents), track_ids, kinds, len(frames.tokens))


def check_boxes(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> None:
    """Require that `read_agents` can read the boxes of some frames, at a fraction of its time.

    Raises:
        ValueError: When a box has a pose, size or velocity that is not a number, or a size of 0.
    """
    pose = " AND ".join(is_number(column) for column in ("x", "y", "yaw", "length", "width"))
    velocity = f"{is_number('vx')} AND {is_number('vy')}"
    columns = f"track_token, {pose} AND length > 0 AND width > 0, {velocity}"
    found = rows_of_frames(connection, index, "lidar_box", columns, frames.tokens)
    for time_us, rows in zip(frames.time_us.tolist(), found, strict=True):
        for token, is_box, is_moving in rows:
            kind = index.kinds.get(token)
            if kind is not None and not (is_box and (is_moving or AgentKind(kind).is_static)):
                raise ValueError(_bad_box(index, token, time_us))


def _bad_box(index: LogIndex, track_token: bytes, time_us: int) -> str:
    return (
        f"{index.path}: the box of track {track_token.hex()} at {time_us} us has a pose, size or velocity that is"
        " missing or not a number, or a size of 0 (table `lidar_box`). Leave this log out, or get it again."
    )


class BoxColumn(IntEnum):
    """Columns of the numbers of a box."""

    X = 0
    Y = 1
    YAW = 2
    VX = 3
    VY = 4
    LENGTH = 5
    WIDTH = 6
    HEIGHT = 7
    Z = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class _Boxes:
    """Boxes of all frames, in their order."""

    values: Float64[np.ndarray, "boxes 9"]
    """By `BoxColumn`."""
    steps: Int64[np.ndarray, "boxes"]
    agents: Int64[np.ndarray, "boxes"]
    """Row of the track."""


def _tracks(
    index: LogIndex, boxes: _Boxes, track_ids: tuple[str, ...], kinds: Int8[np.ndarray, "agents"], num_steps: int
) -> AgentTracks:
    num_agents, steps, agents = len(track_ids), boxes.steps, boxes.agents
    dense = np.full((num_agents, num_steps, len(BoxColumn)), np.nan)
    dense[agents, steps] = boxes.values
    valid = np.zeros((num_agents, num_steps), dtype=bool)
    valid[agents, steps] = True
    _warn_of_assumptions(index, boxes, int(valid.sum()))
    counts = np.bincount(steps, minlength=num_steps)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    order = np.zeros((num_agents, num_steps), dtype=np.int32)
    order[agents, steps] = np.arange(len(steps)) - firsts[steps]
    heights = np.full(num_agents, np.nan)
    heights[agents[::-1]] = boxes.values[::-1, BoxColumn.HEIGHT]
    z_m = dense[..., BoxColumn.Z]
    return AgentTracks(
        track_ids=track_ids,
        kinds=kinds,
        poses=dense[..., BoxColumn.X : BoxColumn.YAW + 1].copy(),
        velocities_mps=dense[..., BoxColumn.VX : BoxColumn.VY + 1].copy(),
        sizes=dense[..., BoxColumn.LENGTH : BoxColumn.WIDTH + 1].copy(),
        valid=valid,
        order=order,
        heights_m=np.where(np.isfinite(heights), heights, DEFAULT_HEIGHT_M),
        z_m=np.where(valid & ~np.isfinite(z_m), 0.0, z_m),
    )


def _warn_of_assumptions(index: LogIndex, boxes: _Boxes, num_valid: int) -> None:
    """Warn of boxes that replace another one, or lack a height or z."""
    if num_valid < len(boxes.steps):
        logger.warning(
            "%s: table `lidar_box`: %d boxes are the second of their track in one frame; the last one counts.",
            index.path,
            len(boxes.steps) - num_valid,
        )
    for column, assumed in ((BoxColumn.HEIGHT, DEFAULT_HEIGHT_M), (BoxColumn.Z, 0.0)):
        missing = int((~np.isfinite(boxes.values[:, column])).sum())
        if missing:
            logger.warning(
                "%s: table `lidar_box`: %d boxes have no %s; %s m is assumed.",
                index.path,
                missing,
                column.name.lower(),
                assumed,
            )


def read_traffic_lights(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> TrafficLights:
    """Observed states of lane connectors at some frames; a state that is no colour is UNKNOWN.

    Rows without a lane connector are ignored with a warning.
    """
    if not has_table(connection, "traffic_light_status"):
        return TrafficLights.none(len(frames.tokens))
    columns = "lane_connector_id, status"
    found = rows_of_frames(connection, index, "traffic_light_status", columns, frames.tokens)
    usable = [[row for row in rows if isinstance(row[0], int)] for rows in found]
    rows = list(chain.from_iterable(usable))
    ignored = sum(map(len, found)) - len(rows)
    if ignored:
        logger.warning("%s: table `traffic_light_status`: %d rows name no connector; ignored.", index.path, ignored)
    unknown = sum(not row[1] or not isinstance(row[1], str) for row in rows)
    if unknown:
        logger.warning(
            "%s: table `traffic_light_status`: %d rows have no status; it is unknown.", index.path, unknown
        )
    return TrafficLights(
        offsets=np.cumsum([0, *(len(rows) for rows in usable)], dtype=np.int64),
        lane_connector_ids=np.array([row[0] for row in rows], dtype=np.int64),
        statuses=np.array([_STATUSES.get(row[1], LightStatus.UNKNOWN) for row in rows], dtype=np.int8),
    )
