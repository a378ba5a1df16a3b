"""Time to open one scenario with its map cached.

    python benchmarks/open_scenarios.py                      # a generated log with as many boxes as nuPlan's
    python benchmarks/open_scenarios.py --data ../shared/golden/world1

Opens each scenario once in random order, so that its log is rarely cached, and prints percentiles. A generated log is
also measured without an index on its boxes. Target: median 100 ms.
"""

import os
import random
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from large_inputs import busy_recording, large_map

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world

MEDIAN_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Data."""

    data: Path | None = None
    """nuPlan data root or folder of logs; without it a log is generated."""
    maps: Path | None = None
    """Maps folder; by default beside the data."""
    duration_s: float = 240.0
    """Duration of the generated log."""
    agents: int = 90
    """Boxes per frame of the generated log."""
    limit: int = 200
    """Maximum number of scenarios."""


def main(arguments: Arguments) -> int:
    """Measure and print; the exit code is 0 when the target is met."""
    if arguments.data is not None:
        return 0 if measured("", DataRoot.find(arguments.data, arguments.maps), arguments.limit) <= MEDIAN_S else 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAMBER_CACHE"] = str(Path(folder) / "cache")
        recording = busy_recording(
            large_map(2_000), "2021.07.16.20.00.00_veh-35_00000_00240", arguments.duration_s, arguments.agents
        )
        write_world([recording], Path(folder) / "data", fill_locations=False)
        data_root = DataRoot.find(Path(folder) / "data")
        median_s = measured("with an index: ", data_root, arguments.limit)
        drop_indices(data_root.log_files[0])
        start = time.perf_counter()
        open_scenario(list_scenarios(data_root)[0])
        print(f"without an index, the very first time: {time.perf_counter() - start:.2f} s")
        median_s = max(median_s, measured("without an index, later: ", data_root, arguments.limit))
    return 0 if median_s <= MEDIAN_S else 1


def measured(label: str, data_root: DataRoot, limit: int) -> float:
    """Print percentiles, return the median [s]."""
    entries = list_scenarios(data_root)
    random.Random(0).shuffle(entries)  # noqa: S311
    open_scenario(entries[0])
    times_s = np.array([seconds_to_open(entry) for entry in entries[:limit]])
    wall_ms, cpu_ms = 1e3 * times_s.T
    percentiles = ", ".join(f"p{p} {np.percentile(wall_ms, p):.1f} ms" for p in (5, 50, 90, 99))
    print(f"{label}{len(times_s)} scenarios: {percentiles}; processor time p50 {np.median(cpu_ms):.1f} ms")
    return float(np.median(wall_ms)) / 1e3


def seconds_to_open(entry: ScenarioEntry) -> tuple[float, float]:
    """Wall time and processor time."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    open_scenario(entry)
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def drop_indices(log_file: Path) -> None:
    """Drop the secondary indices of the log."""
    connection = sqlite3.connect(log_file)
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    for (name,) in connection.execute(query).fetchall():
        connection.execute(f'DROP INDEX "{name}"')
    connection.close()


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
