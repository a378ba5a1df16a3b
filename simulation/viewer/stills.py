"""Still pictures of failures from above, for the cards of the gallery."""

import io

import numpy as np
from jaxtyping import Float64
from PIL import Image

from driving.agents import AgentTracks
from driving.ego import EgoMotion
from driving.geometry import arc_lengths, box_corners, shifted_along_heading
from driving.map import MapGraph
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.drawing.canvas import Canvas, draw_agents, draw_ego, draw_map, draw_path, shapes_around
from simulation.drawing.palette import LIGHT
from simulation.scenario_notes import ScenarioNotes

SIZE_PX = (440, 260)
OVERSAMPLING = 2
MAX_PX_PER_M = 9.0
MARGIN_M = 16.0
"""Drawn ground around the ego, the changed agent, and both without the failure."""
JPEG_QUALITY = 88
DASH_M = 0.7


def still(motion: EgoMotion, agents: AgentTracks, notes: ScenarioNotes | None, map_graph: MapGraph | None) -> bytes:
    """A JPEG of the failure: agents and ego at its time, the changed agent without the change, and the way out.

    Args:
        motion: Of the ego.
        agents: At the steps of the ego.
        notes: Without a failure in them, or without notes, the picture shows the end of the drive.
        map_graph: None draws no road.
    """
    time_s = (motion.time_us - motion.time_us[0]) * 1e-6
    failure_s = None if notes is None else notes.failure_s
    at_s = float(time_s[-1]) if failure_s is None else min(max(failure_s, 0.0), float(time_s[-1]))
    step = int(np.searchsorted(time_s, at_s - 1e-6))
    canvas = _canvas_around(_places(motion, agents, notes, step, at_s))
    if map_graph is not None:
        draw_map(canvas, shapes_around(map_graph, canvas))
    if notes is not None and notes.way_out is not None:
        way_out = shifted_along_heading(notes.way_out.poses, PACIFICA.rear_axle_to_center_m)
        draw_path(canvas, way_out[:, :2], LIGHT.way_out, 0.5)
    draw_path(canvas, motion.center_poses()[0, : step + 1, :2], LIGHT.drives[0], 0.5)
    draw_agents(canvas, agents, step)
    if notes is not None:
        _draw_notes(canvas, notes, agents, step, at_s)
    draw_ego(canvas, motion, step, LIGHT.drives[0])
    buffer = io.BytesIO()
    canvas.image.resize(SIZE_PX, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _pose_at(motion: Trajectory, at_s: float) -> Float64[np.ndarray, "3"]:
    """Pose of a motion, at its nearer end for times outside of it."""
    inside_s = min(max(at_s, float(motion.time_s[0])), float(motion.time_s[-1]))
    return motion.at(np.array([inside_s]))[0]


def _places(
    motion: EgoMotion, agents: AgentTracks, notes: ScenarioNotes | None, step: int, at_s: float
) -> Float64[np.ndarray, "places 2"]:
    """Positions that the picture shows: of the ego, the changed agent, and both without the failure."""
    places = [motion.center_poses()[0, step, :2]]
    if notes is not None:
        row = _row_of(agents, notes.track_id)
        if row is not None and agents.valid[row, step]:
            places.append(agents.poses[row, step, :2])
        places += [_pose_at(one, at_s)[:2] for one in (notes.unchanged, notes.way_out) if one is not None]
    return np.stack(places)


def _canvas_around(places: Float64[np.ndarray, "places 2"]) -> Canvas:
    low, high = places.min(axis=0) - MARGIN_M, places.max(axis=0) + MARGIN_M
    size_px = (SIZE_PX[0] * OVERSAMPLING, SIZE_PX[1] * OVERSAMPLING)
    px_per_m = min(float(min(np.array(size_px) / (high - low))), MAX_PX_PER_M * OVERSAMPLING)
    return Canvas.blank((low + high) / 2, size_px, px_per_m)


def _row_of(agents: AgentTracks, track_id: str) -> int | None:
    return agents.track_ids.index(track_id) if track_id in agents.track_ids else None


def _draw_notes(canvas: Canvas, notes: ScenarioNotes, agents: AgentTracks, step: int, at_s: float) -> None:
    """Draw outlines of the changed agent, of the same agent without the change, and of the ego on the way out."""
    row = _row_of(agents, notes.track_id)
    if row is not None and agents.valid[row, step]:
        size = agents.sizes[row, step]
        _outline(canvas, agents.poses[row, step], size + 0.8, LIGHT.selected)
        if notes.unchanged is not None:
            for dash in _dashes(notes.unchanged.poses[:, :2]):
                draw_path(canvas, dash, LIGHT.ghost, 0.2)
            for dash in _dashes(_ring(_pose_at(notes.unchanged, at_s), size)):
                draw_path(canvas, dash, LIGHT.ghost, 0.3)
    if notes.way_out is not None:
        pose = _pose_at(notes.way_out, at_s)
        center = shifted_along_heading(pose[np.newaxis], PACIFICA.rear_axle_to_center_m)[0]
        _outline(canvas, center, np.array([PACIFICA.length_m, PACIFICA.width_m]), LIGHT.way_out)


def _outline(canvas: Canvas, pose: Float64[np.ndarray, "3"], size: Float64[np.ndarray, "2"], color: str) -> None:
    draw_path(canvas, _ring(pose, size), color, 0.3)


def _ring(pose: Float64[np.ndarray, "3"], size: Float64[np.ndarray, "2"]) -> Float64[np.ndarray, "6 2"]:
    """Corners of a box, closed beyond the first one, so that its line has a joint there."""
    corners = box_corners(pose, size)
    return np.concatenate([corners, corners[:2]])


def _dashes(points: Float64[np.ndarray, "points 2"]) -> list[Float64[np.ndarray, "2 2"]]:
    """Every second piece of a line that is cut into pieces of `DASH_M`."""
    along = arc_lengths(points)
    places = np.arange(0.0, along[-1], DASH_M)
    cut = np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], axis=-1)
    return [cut[i : i + 2] for i in range(0, len(cut) - 1, 2)]
