"""One picture of a scenario from above: the road, the lights, who is where, and where the log goes.

North is up and the ego is in the middle. The colours are those of Okabe and Ito, which people with any kind
of colour vision can tell apart; lights and paths also differ by their line style.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Outline

from driving import AgentKind, AreaLayer, LightStatus, Scenario
from driving.geometry import box_corners

VIEW_RADIUS_M = 50.0
DOTS_PER_INCH = 110
SCALE_BAR_M = 20.0
MIN_ARROW_MPS = 0.5
SMALL_BOX_M = 1.2
"""Boxes up to this length get a dot of readable size."""

GROUND, ROAD, JUNCTION, CARPARK, WALKWAY = "#f5f3ee", "#cfcfcf", "#c4c4c4", "#dcdcd2", "#e6ddcb"
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)

KIND_COLORS = {
    AgentKind.VEHICLE: BLUE,
    AgentKind.PEDESTRIAN: PURPLE,
    AgentKind.BICYCLE: YELLOW,
    AgentKind.TRAFFIC_CONE: ORANGE,
    AgentKind.BARRIER: ORANGE,
    AgentKind.CZONE_SIGN: ORANGE,
    AgentKind.GENERIC_OBJECT: "#6b6b6b",
    AgentKind.EGO: BLACK,
}
LIGHT_STYLES: dict[LightStatus, tuple[str, Literal["-", "--"]]] = {
    LightStatus.GREEN: (GREEN, "-"),
    LightStatus.YELLOW: (YELLOW, "-"),
    LightStatus.RED: (VERMILION, "--"),
}


def draw_scenario(scenario: Scenario, iteration: int, path: Path, radius_m: float = VIEW_RADIUS_M) -> None:
    """Draw one iteration of a scenario, as logged, to a PNG file.

    Args:
        scenario: Of any origin.
        iteration: Which of its frames.
        path: Where the picture goes. It appears there when it is complete.
        radius_m: Half the width of what is shown.

    Raises:
        IndexError: When the scenario has no such iteration.
        OSError: When the folder cannot be written.
    """
    if not 0 <= iteration < scenario.num_frames:
        raise IndexError(f"Scenario {scenario.scenario_id} has iterations 0 to {scenario.num_frames - 1}.")
    figure = Figure(figsize=(9.0, 9.0), dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.93))
    axes.set_facecolor(GROUND)
    axes.set(xlim=(-radius_m, radius_m), ylim=(-radius_m, radius_m), xticks=[], yticks=[], aspect="equal")

    step = scenario.first_frame + iteration
    # Relative to the ego: at 4e6 m, matplotlib's own arithmetic would round to millimetres and worse.
    view = _View(axes, scenario.ego.center_poses()[0, step, :2], radius_m)
    _draw_map(view, scenario)
    _draw_route(view, scenario)
    _draw_lights(view, scenario, step)
    _draw_logged_path(view, scenario, step)
    _draw_agents(view, scenario, step)
    _draw_ego(view, scenario, step)
    _draw_scale(view)
    _draw_words(view, scenario, iteration)

    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        canvas.print_figure(partial, format="png")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _View:
    """The axes and what they show of the world."""

    def __init__(self, axes: Axes, center: np.ndarray, radius_m: float) -> None:
        self.axes, self.center, self.radius_m = axes, center, radius_m

    def rows(self, layer: AreaLayer) -> np.ndarray:
        """Rows of a layer that are in sight."""
        return layer.rows_near(self.center, self.radius_m) if len(layer) else np.zeros(0, dtype=np.int64)

    def areas(self, polygons: Iterable[shapely.Geometry], **style: Any) -> None:
        """Fill polygons, holes left open."""
        outlines = [self._outline(polygon) for polygon in polygons]
        if outlines:
            self.axes.add_collection(PathCollection(outlines, **style), autolim=False)

    def lines(self, lines: Iterable[np.ndarray], **style: Any) -> None:
        """Draw lines of global points."""
        moved = [line - self.center for line in lines if len(line)]
        if moved:
            self.axes.add_collection(LineCollection(moved, **style), autolim=False)

    def boxes(self, corners: np.ndarray, **style: Any) -> None:
        """Fill (n, 4, 2) boxes."""
        if len(corners):
            self.axes.add_collection(PolyCollection(corners - self.center, **style), autolim=False)

    def _outline(self, polygon: shapely.Geometry) -> Outline:
        rings: list[np.ndarray] = []
        for part in shapely.get_parts(polygon):
            # The winding rule leaves a hole only where it runs against its shell.
            shell = shapely.geometry.polygon.orient(part)
            rings += [np.asarray(ring.coords)[:, :2] - self.center for ring in (shell.exterior, *shell.interiors)]
        return Outline.make_compound_path(*[Outline(ring, closed=True) for ring in rings])


def _draw_map(view: _View, scenario: Scenario) -> None:
    map_graph, lanes = scenario.map, scenario.map.lanes
    for layer, color, order in (
        (map_graph.walkways, WALKWAY, 1.0),
        (map_graph.carparks, CARPARK, 1.1),
        (map_graph.generic_drivable_areas, ROAD, 1.2),
        (map_graph.road_segments, ROAD, 1.3),
        (map_graph.intersections, JUNCTION, 1.4),
    ):
        view.areas(layer.polygons[view.rows(layer)], facecolor=color, edgecolor="none", zorder=order)
    crosswalks = map_graph.crosswalks.polygons[view.rows(map_graph.crosswalks)]
    view.areas(crosswalks, facecolor="#ffffff", edgecolor="#8c8c8c", linewidth=0.5, hatch="//", zorder=2.0)
    stop_lines = map_graph.stop_lines.polygons[view.rows(map_graph.stop_lines)]
    view.areas(stop_lines, facecolor="#7d7d7d", edgecolor="none", zorder=2.1)

    rows = view.rows(lanes.areas)
    own = rows[rows < lanes.num_lanes]
    view.lines((lanes.left_boundaries[row] for row in own), colors="#ffffff", linewidths=1.2, zorder=2.2)
    view.lines((lanes.right_boundaries[row] for row in own), colors="#ffffff", linewidths=1.2, zorder=2.2)
    view.lines((lanes.centerlines[row] for row in own), colors="#a8a8a8", linewidths=0.6, linestyles=":", zorder=2.2)
    connectors = rows[rows >= lanes.num_lanes]
    view.lines((lanes.centerlines[row] for row in connectors), colors="#9a9a9a", linewidths=0.6, zorder=2.3)


def _draw_route(view: _View, scenario: Scenario) -> None:
    known = [block for block in scenario.route.roadblock_ids if scenario.map.has_roadblock(block)]
    polygons = [scenario.map.roadblock_polygon(block) for block in known]
    view.areas(polygons, facecolor=SKY, edgecolor="none", alpha=0.25, zorder=2.5)
    view.lines([scenario.route.centerline], colors=SKY, linewidths=1.6, zorder=2.6)


def _draw_lights(view: _View, scenario: Scenario, step: int) -> None:
    for connector_id, status in zip(*scenario.traffic_lights.at(step), strict=True):
        if LightStatus(status) in LIGHT_STYLES:
            color, line_style = LIGHT_STYLES[LightStatus(status)]
            line = scenario.map.lanes.centerlines[scenario.map.lane_row(int(connector_id))]
            view.lines([line], colors="#404040", linewidths=3.4, zorder=3.0)
            view.lines([line], colors=color, linewidths=2.4, linestyles=line_style, zorder=3.1)


def _draw_logged_path(view: _View, scenario: Scenario, step: int) -> None:
    poses = scenario.ego.rear_axle_poses[0, scenario.frames, :2]
    now = step - scenario.first_frame
    view.lines([poses[: now + 1]], colors=BLACK, linewidths=1.0, linestyles=":", zorder=4.0)
    view.lines([poses[now:]], colors=BLACK, linewidths=1.4, zorder=4.0)
    each_second = poses[now::10] - view.center
    view.axes.plot(*each_second.T, ".", color=BLACK, markersize=4, zorder=4.1)


def _draw_agents(view: _View, scenario: Scenario, step: int) -> None:
    agents = scenario.agents
    rows = np.flatnonzero(agents.valid[:, step])
    poses, velocities = agents.poses[rows, step], agents.velocities_mps[rows, step]
    corners = box_corners(poses, agents.sizes[rows, step])
    for kind in AgentKind:
        of_kind = agents.kinds[rows] == kind
        view.boxes(corners[of_kind], facecolors=KIND_COLORS[kind], edgecolors="#333333", linewidths=0.5, zorder=5.0)
    # A line from the middle to the front tells where a standing car looks.
    fronts = corners[:, [0, 3]].mean(axis=1)
    long = agents.sizes[rows, step, 0] > SMALL_BOX_M
    colors = [KIND_COLORS[AgentKind(kind)] for kind in agents.kinds[rows[~long]]]
    dots = poses[~long, :2] - view.center
    view.axes.scatter(dots[:, 0], dots[:, 1], s=26, c=colors, edgecolors="#333333", linewidths=0.5, zorder=5.1)
    noses = np.stack([poses[long, :2], fronts[long]], axis=1)
    view.lines(noses, colors="#ffffff", linewidths=0.9, zorder=5.1)
    moving = np.hypot(*velocities.T) > MIN_ARROW_MPS
    _draw_arrows(view, poses[moving, :2], velocities[moving])


def _draw_ego(view: _View, scenario: Scenario, step: int) -> None:
    corners = scenario.ego.corners()[0, step]
    view.boxes(corners[np.newaxis], facecolors=BLACK, edgecolors=YELLOW, linewidths=1.4, zorder=6.0)
    center = scenario.ego.center_poses()[0, step]
    nose = np.stack([center[:2], corners[[0, 3]].mean(axis=0)])
    view.lines([nose], colors=YELLOW, linewidths=1.4, zorder=6.1)
    vx, vy = scenario.ego.velocities_mps[0, step]
    cos, sin = np.cos(center[2]), np.sin(center[2])
    velocity = np.array([[vx * cos - vy * sin, vx * sin + vy * cos]])
    if np.hypot(vx, vy) > MIN_ARROW_MPS:
        _draw_arrows(view, center[np.newaxis, :2], velocity)


def _draw_arrows(view: _View, starts: np.ndarray, velocities: np.ndarray) -> None:
    """Arrows as long as the way of one second."""
    if len(starts):
        view.axes.quiver(
            *(starts - view.center).T,
            *velocities.T,
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.0022,
            color="#333333",
            zorder=6.2,
        )


def _draw_scale(view: _View) -> None:
    left, bottom = -0.95 * view.radius_m, -0.95 * view.radius_m
    right, top = left + SCALE_BAR_M, bottom + 0.05 * view.radius_m
    margin_m = 0.02 * view.radius_m
    sheet = (left - margin_m, bottom - margin_m), SCALE_BAR_M + 2 * margin_m, top - bottom + margin_m
    view.axes.add_patch(Rectangle(*sheet, facecolor="#ffffff", edgecolor="#cccccc", alpha=0.9, zorder=8))
    view.axes.plot([left, right], [bottom, bottom], color=BLACK, linewidth=3, solid_capstyle="butt", zorder=8.1)
    middle = (left + right) / 2
    view.axes.text(middle, bottom + margin_m / 2, f"{SCALE_BAR_M:.0f} m", ha="center", va="bottom", zorder=8.1)


def _draw_words(view: _View, scenario: Scenario, iteration: int) -> None:
    step = scenario.first_frame + iteration
    speed_mps = scenario.ego.speed_mps[0, step]
    title = f"{scenario.scenario_type.replace('_', ' ')}   {iteration * scenario.step_s:.1f} s   {speed_mps:.1f} m/s"
    view.axes.set_title(f"{title}\n{scenario.map_name}   {scenario.log_name}   {scenario.scenario_id}", fontsize=10)
    shown = set(scenario.agents.kinds[scenario.agents.valid[:, step]].tolist())
    entries: list[Patch | Line2D] = [
        Patch(facecolor=BLACK, edgecolor=YELLOW, label="ego"),
        Line2D([], [], color=BLACK, marker=".", linewidth=1.4, label="logged path, 1 s dots"),
        Line2D([], [], color=SKY, linewidth=3, label="route"),
    ]
    for label, kinds in (
        ("vehicle", {AgentKind.VEHICLE}),
        ("pedestrian", {AgentKind.PEDESTRIAN}),
        ("bicycle", {AgentKind.BICYCLE}),
        ("cone, barrier, sign", {AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN}),
        ("other object", {AgentKind.GENERIC_OBJECT}),
    ):
        if shown & kinds:
            entries.append(Patch(facecolor=KIND_COLORS[min(kinds)], label=label))
    statuses = set(scenario.traffic_lights.at(step)[1].tolist())
    for status, (color, line_style) in LIGHT_STYLES.items():
        if status in statuses:
            label = f"{status.name.lower()} light"
            entries.append(Line2D([], [], color=color, linestyle=line_style, linewidth=2.4, label=label))
    view.axes.legend(handles=entries, loc="lower right", fontsize=8, framealpha=0.9).set_zorder(9)
