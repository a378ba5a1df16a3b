r"""Open generated maps with nuPlan's devkit, and compare what it finds with our reader.

    PYTHONPATH=path/to/nuplan-devkit python benchmarks/devkit_maps.py --plans 20

The maps have plans fitted to recorded lane graphs (docs/realism.md). They are written as map packages, and opened by
the devkit's map API and by `driving.nuplan.maps`. Compared are the numbers of objects of each layer, the ids of the
lanes and those that follow them, and the lengths of baseline paths. Ends with an error where they differ. Without a
devkit on the PYTHONPATH it prints that nothing is compared (its requirements: docs/extending.md).
"""

import importlib.util
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, print_line, progress, run
from fit_plans import PLAN, built
from rich.table import Table

from driving.map import MapGraph
from driving.nuplan.map_writer import write_map, write_official_placeholders
from driving.nuplan.maps import open_map
from simulation.generation.town.layout import with_style
from simulation.generation.town.recorded import RECORDED_STYLE

FIRST_SEED = 900_000
MAP_VERSION = "nuplan-maps-v1.0"
MAX_LENGTH_ERROR_M = 1e-3
"""Largest difference of the lengths of a lane's centerline."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Number of maps."""

    plans: int = 20
    """Plans that are drawn, each of which becomes a map."""


def main(arguments: Arguments) -> None:
    """Write the maps, open them twice, and print."""
    if importlib.util.find_spec("nuplan") is None:
        print_line("Skipped: nuPlan's devkit is not on the PYTHONPATH; see docs/extending.md.")
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder, progress(arguments) as bar:
        maps_root = Path(folder)
        names = write_plans(arguments.plans, maps_root)
        for name in bar.track(names, description="maps"):
            rows.append(compared(open_map(maps_root, name), devkit_map(maps_root, name)))
    console.print(table(rows))
    different = [name for name, row in zip(names, rows, strict=True) if not is_equal(row)]
    if different:
        raise ValueError(f"The devkit finds something else in {len(different)} maps: {', '.join(different)}.")


def write_plans(count: int, maps_root: Path) -> list[str]:
    """Write maps of fitted plans, and the empty official ones that the devkit requires; the names of the former."""
    settings = with_style(PLAN, RECORDED_STYLE)
    names = []
    for number in range(count):
        name = f"fitted-plan-{number}"
        found = built(np.random.default_rng(FIRST_SEED + number), settings, name)
        if found is None:
            raise ValueError(f"No plan of seed {FIRST_SEED + number} could be built.")
        write_map(found, maps_root)
        names.append(name)
    write_official_placeholders(maps_root)
    return names


def devkit_map(maps_root: Path, name: str) -> Any:
    """A map in the devkit's API."""
    from nuplan.common.maps.nuplan_map.map_factory import NuPlanMapFactory
    from nuplan.database.maps_db.gpkg_mapsdb import GPKGMapsDB

    return NuPlanMapFactory(GPKGMapsDB(MAP_VERSION, str(maps_root))).build_map_from_name(name)


def compared(ours: MapGraph, theirs: Any) -> dict[str, tuple[float, float]]:
    """Both numbers of each property: ours and the devkit's."""
    from nuplan.common.actor_state.state_representation import Point2D
    from nuplan.common.maps.maps_datatypes import SemanticMapLayer

    lanes = ours.lanes
    numbers = {
        SemanticMapLayer.LANE: lanes.num_lanes,
        SemanticMapLayer.LANE_CONNECTOR: len(lanes) - lanes.num_lanes,
        SemanticMapLayer.ROADBLOCK: len(ours.roadblocks),
        SemanticMapLayer.ROADBLOCK_CONNECTOR: len(ours.roadblock_connectors),
        SemanticMapLayer.INTERSECTION: len(ours.intersections),
        SemanticMapLayer.STOP_LINE: len(ours.stop_lines),
        SemanticMapLayer.CROSSWALK: len(ours.crosswalks),
        SemanticMapLayer.WALKWAYS: len(ours.walkways),
        SemanticMapLayer.CARPARK_AREA: len(ours.carparks),
    }
    middle = Point2D(*ours.centerline(0).points[0, :2])
    objects = theirs.get_proximal_map_objects(middle, 1e5, list(numbers))
    found = {layer.name.lower(): (float(number), float(len(objects[layer]))) for layer, number in numbers.items()}
    both = (SemanticMapLayer.LANE, SemanticMapLayer.LANE_CONNECTOR)
    edges = {int(one.id): one for kind in both for one in objects[kind]}
    known = [row for row in range(len(lanes)) if int(lanes.ids[row]) in edges]
    errors_m = [abs(ours.centerline(row).length_m - edges[int(lanes.ids[row])].baseline_path.length) for row in known]
    same_next = [
        set(lanes.ids[lanes.successors[row]].tolist())
        == {int(one.id) for one in edges[int(lanes.ids[row])].outgoing_edges}
        for row in known
    ]
    found["same ids and successors"] = (float(len(lanes)), float(sum(same_next)))
    found["length error in m"] = (0.0, max(errors_m, default=float("inf")))
    return found


def is_equal(row: dict[str, tuple[float, float]]) -> bool:
    """Whether both readers agree, lengths up to `MAX_LENGTH_ERROR_M`."""
    return all(abs(ours - theirs) <= MAX_LENGTH_ERROR_M for ours, theirs in row.values())


def table(rows: list[dict[str, tuple[float, float]]]) -> Table:
    """Sums over the maps; of errors the largest."""
    found = Table("property", "our reader", "devkit", "maps that differ", title=f"{len(rows)} maps of fitted plans")
    for name in rows[0]:
        pairs = np.array([row[name] for row in rows])
        ours, theirs = pairs.max(axis=0) if name.startswith("length") else pairs.sum(axis=0)
        different = int((np.abs(pairs[:, 0] - pairs[:, 1]) > MAX_LENGTH_ERROR_M).sum())
        found.add_row(name, f"{ours:.6g}", f"{theirs:.6g}", str(different))
    return found


if __name__ == "__main__":
    run(Arguments, main, __doc__)
