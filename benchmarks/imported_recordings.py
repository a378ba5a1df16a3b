"""Fit of imported recordings to their maps, and the round trip through nuPlan files, per recording.

    python benchmarks/imported_recordings.py --data ../shared/data
    python benchmarks/imported_recordings.py --data ../shared/data --no-round-trip

The folder holds argoverse2/sensor, nuscenes_mini and ngsim_commonroad, or some of them. Over the frames of each
scenario: the share with all four corners on the drivable area, for nuPlan's ego (5.18 x 2.30 m) and for the recorded
car, and the share with the ego's box centre on the roadblocks of its route; then every finding as
a sentence. `read back` compares a scenario with itself after writing to and reading from nuPlan files: poses (1 mm,
0.1 mrad), boxes, route and map ids.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
import tyro
from rich.console import Console
from rich.table import Table

from driving.checks import scenario_findings
from driving.geometry import wrap_angle
from driving.importers.registry import IMPORTERS
from driving.map import AreaLayer
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.recording import Recording
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters

SOURCES = {"argoverse2": "argoverse2/sensor", "track_archive": "nuscenes_mini", "commonroad": "ngsim_commonroad"}
"""Folder of each format below the data."""

POSITION_TOLERANCE_M, HEADING_TOLERANCE_RAD = 1e-3, 1e-4


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Data and measurements."""

    data: Path
    """Folder of the recordings."""
    round_trip: bool = True
    """Write to nuPlan files and read back."""


def main(arguments: Arguments) -> None:
    """Import, measure, print."""
    console = Console()
    table = Table("recording", "s", "drivable", "own size", "on route", "blocks", "read back")
    sentences = []
    for name, folder in SOURCES.items():
        if not (arguments.data / folder).is_dir():
            continue
        for source in IMPORTERS[name].find(arguments.data / folder):
            recording = IMPORTERS[name].read(source)
            (scenario,) = recording.scenarios()
            table.add_row(
                recording.log_name[:24],
                f"{(scenario.num_frames - 1) / 10:.1f}",
                f"{on_drivable_area(scenario, PACIFICA):.3f}",
                f"{on_drivable_area(scenario, recorded_vehicle(recording)):.3f}",
                f"{on_route(scenario):.3f}",
                str(len(scenario.route.roadblock_ids)),
                difference_after_round_trip(recording) if arguments.round_trip else "-",
            )
            sentences += [f"{recording.log_name}: {reason}" for reason in reasons(scenario)]
            sentences += [
                f"{recording.log_name}: {finding.kind}: {finding.message}"
                for finding in scenario_findings(scenario, recorded=True)
            ]
    console.print(table)
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False)


def recorded_vehicle(recording: Recording) -> VehicleParameters:
    """The ego with the length and width that the metadata names; its rear overhang is kept."""
    words = recording.metadata["ego_size"].split()
    if words[2] == "unknown;":
        return PACIFICA
    length_m, width_m = float(words[2]), float(words[4])
    overhang_m = PACIFICA.length_m / 2 - PACIFICA.rear_axle_to_center_m
    return replace(PACIFICA, length_m=length_m, width_m=width_m, rear_axle_to_center_m=length_m / 2 - overhang_m)


def on_drivable_area(scenario: Scenario, vehicle: VehicleParameters) -> float:
    """Share of the frames with all corners on the drivable area."""
    corners = scenario.ego.corners(vehicle)[0, scenario.frames]
    area = scenario.map.drivable_area
    return float(area.contains(corners.reshape(-1, 2)).reshape(-1, 4).all(axis=1).mean())


def on_route(scenario: Scenario) -> float:
    """Share of the frames with the box centre on a roadblock of the route."""
    blocks = np.array([scenario.map.roadblock_polygon(block) for block in scenario.route.roadblock_ids])
    layer = AreaLayer(ids=np.arange(len(blocks)), polygons=blocks)
    return float(layer.contains(scenario.ego.center_poses()[0, scenario.frames, :2]).mean())


def reasons(scenario: Scenario) -> list[str]:
    """Times and distances at which the ego is off its route or off the drivable area."""
    blocks = [scenario.map.roadblock_polygon(block) for block in scenario.route.roadblock_ids]
    centers = scenario.ego.center_poses()[0, scenario.frames, np.newaxis, :2]
    places = (
        ("a corner is beside the drivable area", scenario.map.drivable_area.polygons, scenario.ego.corners()),
        ("the box centre is beside the route", np.array(blocks), None),
    )
    sentences = []
    for what, polygons, corners in places:
        points = centers if corners is None else corners[0, scenario.frames]
        tree = shapely.STRtree(polygons)
        _, gaps_m = tree.query_nearest(shapely.points(points.reshape(-1, 2)), return_distance=True, all_matches=False)
        beside_m = gaps_m.reshape(len(points), -1).max(axis=1)
        steps = np.flatnonzero(beside_m > 0)
        if len(steps):
            sentences.append(
                f"{what} in {len(steps)} frames, from iteration {steps[0]} to {steps[-1]},"
                f" by up to {beside_m.max():.2f} m"
            )
    return sentences


def difference_after_round_trip(recording: Recording) -> str:
    """`equal`, or the differences after writing and reading."""
    with tempfile.TemporaryDirectory() as folder:
        write_world([recording], Path(folder), images="none")
        (entry,) = list_scenarios(DataRoot.find(Path(folder)))
        read = open_scenario(entry, allow_short=True)
        return _difference(recording.scenarios()[0], read) or "equal"


def _difference(ours: Scenario, read: Scenario) -> str | None:
    if ours.scenario_id != read.scenario_id or ours.scenario_type != read.scenario_type:
        return "name or type"
    if not np.array_equal(ours.time_us, read.time_us):
        return f"times: {len(ours.time_us)} and {len(read.time_us)} steps"
    if not _same_poses(ours.ego.rear_axle_poses, read.ego.rear_axle_poses):
        return "ego"
    for step in range(len(ours.time_us)):
        # In the order of their boxes: rows and ids of tracks may differ, as files name tracks by 16 hex digits.
        rows, read_rows = ours.agents.rows_at(step), read.agents.rows_at(step)
        if not np.array_equal(ours.agents.kinds[rows], read.agents.kinds[read_rows]):
            return f"agents seen at step {step}"
        if not _same_poses(ours.agents.poses[rows, step], read.agents.poses[read_rows, step]):
            return f"agents at step {step}"
    if ours.route.roadblock_ids != read.route.roadblock_ids:
        return "route"
    if not np.array_equal(np.sort(ours.map.lanes.ids), np.sort(read.map.lanes.ids)):
        return "map ids"
    area_m2 = [float(shapely.area(scenario.map.drivable_area.polygons).sum()) for scenario in (ours, read)]
    return None if abs(area_m2[0] - area_m2[1]) < 0.1 else f"drivable area: {area_m2}"


def _same_poses(ours: np.ndarray, read: np.ndarray) -> bool:
    gap_m = np.hypot(*np.moveaxis(ours[..., :2] - read[..., :2], -1, 0)).max(initial=0.0)
    turn_rad = np.abs(wrap_angle(ours[..., 2] - read[..., 2])).max(initial=0.0)
    return bool(gap_m < POSITION_TOLERANCE_M and turn_rad < HEADING_TOLERANCE_RAD)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
