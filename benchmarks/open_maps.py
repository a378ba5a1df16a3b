"""Time to open the map of a city: parsed from its GeoPackage, and from the cache.

    python benchmarks/open_maps.py                          # a generated map of 20,000 polygons
    python benchmarks/open_maps.py --maps ~/nuplan/dataset/maps --name us-nv-las-vegas-strip

Targets: 3 s parsed, 0.3 s from the cache.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from large_inputs import LOCATION, large_map

from driving.map import MapGraph
from driving.nuplan.map_cache import load_map, store_map
from driving.nuplan.map_reader import read_map
from driving.nuplan.map_writer import write_map
from driving.nuplan.maps import find_map

PARSED_S, CACHED_S = 3.0, 0.3


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Map and repeats."""

    maps: Path | None = None
    """Maps folder; without it a map is generated."""
    name: str = LOCATION
    """Location."""
    polygons: int = 20_000
    """Polygons of the generated map."""
    repeats: int = 5
    """Measurements."""


def main(arguments: Arguments) -> int:
    """Measure and print; the exit code is 0 when the targets are met."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAMBER_CACHE"] = str(Path(folder) / "cache")
        maps_root = arguments.maps or Path(folder) / "maps"
        if arguments.maps is None:
            write_map(large_map(arguments.polygons), maps_root)
        path, version = find_map(maps_root, arguments.name)
        # Untimed: loads the projection library and its database.
        map_graph = read_map(path, arguments.name, version)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {_polygons(map_graph)} polygons")
        parsed_s = _seconds(lambda: read_map(path, arguments.name, version), arguments.repeats)
        store_map(map_graph, path)
        cached_s = _seconds(lambda: load_map(path, arguments.name, version), arguments.repeats)
    is_fast = True
    for what, measured, target_s in (("parsed", parsed_s, PARSED_S), ("from the cache", cached_s, CACHED_S)):
        wall_s, cpu_s = np.array(measured).T
        is_fast &= float(np.median(wall_s)) <= target_s
        print(
            f"{what}: median {np.median(wall_s):.3f} s, fastest {wall_s.min():.3f} s, slowest {wall_s.max():.3f} s,"
            f" processor time {np.median(cpu_s):.3f} s (target {target_s} s)"
        )
    return 0 if is_fast else 1


def _polygons(map_graph: MapGraph) -> int:
    layers = (map_graph.lanes.areas, map_graph.roadblocks, map_graph.roadblock_connectors, map_graph.drivable_area)
    return sum(len(layer) for layer in (*layers, map_graph.stop_lines, map_graph.crosswalks, map_graph.walkways))


def _seconds(work: Callable[[], object], repeats: int) -> list[tuple[float, float]]:
    """Wall time and processor time."""
    times_s = []
    for _ in range(repeats):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        work()
        times_s.append((time.perf_counter() - wall_s, time.process_time() - cpu_s))
    return times_s


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
