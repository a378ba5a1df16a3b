"""Birds-eye picture of one scenario frame: road, route, traffic lights, agents, ego and logged path.

North is up and the ego is in the middle.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Outline

from driving.agents import AgentKind, LightStatus
from driving.geometry import box_corners
from driving.map import AreaLayer
from driving.scenario import Scenario
from simulation.drawing.palette import LIGHT

VIEW_RADIUS_M = 50.0
DOTS_PER_INCH = 110
SCALE_BAR_M = 20.0
MIN_ARROW_MPS = 0.5
SMALL_BOX_M = 1.2
"""Boxes up to this length also get a dot of fixed size."""

LIGHT_LINES: dict[LightStatus, Literal["-", "--", "-."]] = {
    LightStatus.GREEN: "-",
    LightStatus.YELLOW: "-.",
    LightStatus.RED: "--",
}
_EGO, _EGO_EDGE = LIGHT.kinds[AgentKind.EGO], LIGHT.text


def draw_scenario(scenario: Scenario, iteration: int, path: Path, radius_m: float = VIEW_RADIUS_M) -> None:
    """Draw one iteration of a scenario, as logged, to a PNG file.

    Args:
        scenario: The scenario.
        iteration: Index of the frame.
        path: PNG file; it is complete or absent.
        radius_m: Half the width of the picture.

    Raises:
        IndexError: When the scenario has no such iteration.
        OSError: When the folder cannot be written.
    """
    if not 0 <= iteration < scenario.num_frames:
        raise IndexError(f"Scenario {scenario.scenario_id} has iterations 0 to {scenario.num_frames - 1}.")
    figure = Figure(figsize=(9.0, 9.0), dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.93))
    axes.set_facecolor(LIGHT.ground)
    axes.set(xlim=(-radius_m, radius_m), ylim=(-radius_m, radius_m), xticks=[], yticks=[], aspect="equal")

    step = scenario.first_frame + iteration
    # Relative to the ego: at 4e6 m, matplotlib's arithmetic rounds to millimetres or worse.
    view = _View(axes, scenario.ego.center_poses()[0, step, :2], radius_m)
    _draw_map(view, scenario)
    _draw_route(view, scenario)
    _draw_lights(view, scenario, step)
    _draw_logged_path(view, scenario, step)
    _draw_agents(view, scenario, step)
    _draw_ego(view, scenario, step)
    _draw_scale(view)
    _draw_title_and_legend(view, scenario, iteration)

    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        canvas.print_figure(partial, format="png")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _View:
    """The axes and the part of the map frame that they cover."""

    def __init__(self, axes: Axes, center: Float64[np.ndarray, "2"], radius_m: float) -> None:
        self.axes, self.center, self.radius_m = axes, center, radius_m

    def rows(self, layer: AreaLayer) -> Int64[np.ndarray, " rows"]:
        """Rows of a layer within the view."""
        return layer.rows_near(self.center, self.radius_m) if len(layer) else np.zeros(0, dtype=np.int64)

    def areas(self, polygons: Iterable[shapely.Geometry], **style: Any) -> None:
        """Fill polygons except their holes."""
        outlines = [self._outline(polygon) for polygon in polygons]
        if outlines:
            self.axes.add_collection(PathCollection(outlines, **style), autolim=False)

    def lines(self, lines: Iterable[Float64[np.ndarray, "points 2"]], **style: Any) -> None:
        """Draw lines through global positions."""
        moved = [line - self.center for line in lines if len(line)]
        if moved:
            self.axes.add_collection(LineCollection(moved, **style), autolim=False)

    def boxes(self, corners: Float64[np.ndarray, "boxes 4 2"], **style: Any) -> None:
        """Fill boxes, given their corners."""
        if len(corners):
            self.axes.add_collection(PolyCollection(corners - self.center, **style), autolim=False)

    def _outline(self, polygon: shapely.Geometry) -> Outline:
        rings: list[np.ndarray] = []
        for part in shapely.get_parts(polygon):
            # The winding rule needs holes that run opposite to their shell.
            shell = shapely.geometry.polygon.orient(part)
            rings += [np.asarray(ring.coords)[:, :2] - self.center for ring in (shell.exterior, *shell.interiors)]
        return Outline.make_compound_path(*[Outline(ring, closed=True) for ring in rings])


def _draw_map(view: _View, scenario: Scenario) -> None:
    map_graph, lanes = scenario.map, scenario.map.lanes
    for layer, color, order in (
        (map_graph.walkways, LIGHT.walkway, 1.0),
        (map_graph.carparks, LIGHT.carpark, 1.1),
        (map_graph.generic_drivable_areas, LIGHT.road, 1.2),
        (map_graph.road_segments, LIGHT.road, 1.3),
        (map_graph.intersections, LIGHT.junction, 1.4),
    ):
        view.areas(layer.polygons[view.rows(layer)], facecolor=color, edgecolor="none", zorder=order)
    crosswalks = map_graph.crosswalks.polygons[view.rows(map_graph.crosswalks)]
    style = {"facecolor": LIGHT.crosswalk, "edgecolor": LIGHT.crosswalk_line, "linewidth": 0.5, "hatch": "//"}
    view.areas(crosswalks, **style, zorder=2.0)
    stop_lines = map_graph.stop_lines.polygons[view.rows(map_graph.stop_lines)]
    view.areas(stop_lines, facecolor=LIGHT.stop_line, edgecolor="none", zorder=2.1)

    rows = view.rows(lanes.areas)
    own = rows[rows < lanes.num_lanes]
    for boundaries in (lanes.left_boundaries, lanes.right_boundaries):
        view.lines((boundaries[row] for row in own), colors=LIGHT.boundary, linewidths=1.0, zorder=2.2)
    for of_kind, line_style in ((own, "--"), (rows[rows >= lanes.num_lanes], "-")):
        lines = (lanes.centerlines[row] for row in of_kind)
        view.lines(lines, colors=LIGHT.lane, linewidths=0.7, linestyles=line_style, zorder=2.3)


def _draw_route(view: _View, scenario: Scenario) -> None:
    known = [block for block in scenario.route.roadblock_ids if scenario.map.has_roadblock(block)]
    polygons = [scenario.map.roadblock_polygon(block) for block in known]
    view.areas(polygons, facecolor=LIGHT.route, edgecolor="none", zorder=2.5)
    view.lines([scenario.route.centerline], colors=LIGHT.route_line, linewidths=1.6, zorder=2.6)


def _draw_lights(view: _View, scenario: Scenario, step: int) -> None:
    for connector_id, status in zip(*scenario.traffic_lights.at(step), strict=True):
        if (light := LightStatus(status)) in LIGHT_LINES:
            line = scenario.map.lanes.centerlines[scenario.map.lane_row(int(connector_id))]
            view.lines([line], colors=LIGHT.edge, linewidths=3.4, zorder=3.0)
            view.lines([line], colors=LIGHT.lights[light], linewidths=2.4, linestyles=LIGHT_LINES[light], zorder=3.1)


def _draw_logged_path(view: _View, scenario: Scenario, step: int) -> None:
    poses = scenario.ego.rear_axle_poses[0, scenario.frames, :2]
    now = step - scenario.first_frame
    view.lines([poses[: now + 1]], colors=LIGHT.logged_ego, linewidths=1.0, linestyles=":", zorder=4.0)
    view.lines([poses[now:]], colors=LIGHT.logged_ego, linewidths=1.4, zorder=4.0)
    each_second = poses[now::10] - view.center
    view.axes.plot(*each_second.T, ".", color=LIGHT.logged_ego, markersize=4, zorder=4.1)


def _draw_agents(view: _View, scenario: Scenario, step: int) -> None:
    agents = scenario.agents
    rows = np.flatnonzero(agents.valid[:, step])
    poses, velocities = agents.poses[rows, step], agents.velocities_mps[rows, step]
    corners = box_corners(poses, agents.sizes[rows, step])
    for kind in AgentKind:
        of_kind = agents.kinds[rows] == kind
        view.boxes(corners[of_kind], facecolors=LIGHT.kinds[kind], edgecolors=LIGHT.edge, linewidths=0.5, zorder=5.0)
    # A line from the middle to the front marks the heading of a standing vehicle.
    fronts = corners[:, [0, 3]].mean(axis=1)
    long = agents.sizes[rows, step, 0] > SMALL_BOX_M
    colors = [LIGHT.kinds[AgentKind(kind)] for kind in agents.kinds[rows[~long]]]
    dots = poses[~long, :2] - view.center
    view.axes.scatter(dots[:, 0], dots[:, 1], s=26, c=colors, edgecolors=LIGHT.edge, linewidths=0.5, zorder=5.1)
    noses = np.stack([poses[long, :2], fronts[long]], axis=1)
    view.lines(noses, colors=LIGHT.edge, linewidths=0.9, zorder=5.1)
    moving = np.hypot(*velocities.T) > MIN_ARROW_MPS
    _draw_arrows(view, poses[moving, :2], velocities[moving])


def _draw_ego(view: _View, scenario: Scenario, step: int) -> None:
    corners = scenario.ego.corners()[0, step]
    view.boxes(corners[np.newaxis], facecolors=_EGO, edgecolors=_EGO_EDGE, linewidths=1.4, zorder=6.0)
    center = scenario.ego.center_poses()[0, step]
    nose = np.stack([center[:2], corners[[0, 3]].mean(axis=0)])
    view.lines([nose], colors=_EGO_EDGE, linewidths=1.4, zorder=6.1)
    vx, vy = scenario.ego.velocities_mps[0, step]
    cos, sin = np.cos(center[2]), np.sin(center[2])
    velocity = np.array([[vx * cos - vy * sin, vx * sin + vy * cos]])
    if np.hypot(vx, vy) > MIN_ARROW_MPS:
        _draw_arrows(view, center[np.newaxis, :2], velocity)


def _draw_arrows(
    view: _View, starts: Float64[np.ndarray, "agents 2"], velocities: Float64[np.ndarray, "agents 2"]
) -> None:
    """Draw velocity arrows, as long as the distance of one second."""
    if len(starts):
        view.axes.quiver(
            *(starts - view.center).T,
            *velocities.T,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.0022,
            color=LIGHT.arrow,
            zorder=6.2,
        )


def _draw_scale(view: _View) -> None:
    left, bottom = -0.95 * view.radius_m, -0.95 * view.radius_m
    right, top = left + SCALE_BAR_M, bottom + 0.05 * view.radius_m
    margin_m = 0.02 * view.radius_m
    sheet = (left - margin_m, bottom - margin_m), SCALE_BAR_M + 2 * margin_m, top - bottom + margin_m
    view.axes.add_patch(Rectangle(*sheet, facecolor=LIGHT.text_plate, edgecolor=LIGHT.boundary, zorder=8))
    view.axes.plot([left, right], [bottom, bottom], color=LIGHT.text, linewidth=3, solid_capstyle="butt", zorder=8.1)
    middle = (left + right) / 2
    view.axes.text(middle, bottom + margin_m / 2, f"{SCALE_BAR_M:.0f} m", ha="center", va="bottom", zorder=8.1)


def _draw_title_and_legend(view: _View, scenario: Scenario, iteration: int) -> None:
    step = scenario.first_frame + iteration
    speed_mps = scenario.ego.speed_mps[0, step]
    title = f"{scenario.scenario_type.replace('_', ' ')}   {iteration * scenario.step_s:.1f} s   {speed_mps:.1f} m/s"
    view.axes.set_title(f"{title}\n{scenario.map_name}   {scenario.log_name}   {scenario.scenario_id}", fontsize=10)
    kinds_in_view = set(scenario.agents.kinds[scenario.agents.valid[:, step]].tolist())
    entries: list[Patch | Line2D] = [
        Patch(facecolor=_EGO, edgecolor=_EGO_EDGE, label="ego"),
        Line2D([], [], color=LIGHT.logged_ego, marker=".", linewidth=1.4, label="logged path, 1 s dots"),
        Line2D([], [], color=LIGHT.route_line, linewidth=3, label="route"),
    ]
    for label, kinds in (
        ("vehicle", {AgentKind.VEHICLE}),
        ("pedestrian", {AgentKind.PEDESTRIAN}),
        ("bicycle", {AgentKind.BICYCLE}),
        ("cone, barrier, sign", {AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN}),
        ("other object", {AgentKind.GENERIC_OBJECT}),
    ):
        if kinds_in_view & kinds:
            entries.append(Patch(facecolor=LIGHT.kinds[min(kinds)], label=label))
    statuses = set(scenario.traffic_lights.at(step)[1].tolist())
    for status, line_style in LIGHT_LINES.items():
        if status in statuses:
            color, label = LIGHT.lights[status], f"{status.name.lower()} light"
            entries.append(Line2D([], [], color=color, linestyle=line_style, linewidth=2.4, label=label))
    view.axes.legend(handles=entries, loc="lower right", fontsize=8, framealpha=0.9).set_zorder(9)
