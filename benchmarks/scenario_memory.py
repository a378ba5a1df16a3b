"""Growth of resident memory while 500 scenarios are opened in sequence.

    python benchmarks/scenario_memory.py                     # generated logs with as many boxes as nuPlan's
    python benchmarks/scenario_memory.py --data ../shared/golden/world1

Opens each scenario, takes its first and last observation, and releases it. Target: 100 MB.
"""

import gc
import os
import sys
import tempfile
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import psutil
import tyro
from large_inputs import busy_recording, large_map

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world

GROWTH_MB = 100.0


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Data and number of scenarios."""

    data: Path | None = None
    """nuPlan data root or folder of logs; without it logs are generated."""
    maps: Path | None = None
    """Maps folder; by default beside the data."""
    scenarios: int = 500
    """Number of scenarios to open, in cycles when the data has fewer."""
    logs: int = 4
    """Number of generated logs."""


def main(arguments: Arguments) -> int:
    """Measure and print; the exit code is 0 when the target is met."""
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or Path(folder) / "data"
        if arguments.data is None:
            os.environ["CAMBER_CACHE"] = str(Path(folder) / "cache")
            # In a separate process: memory of earlier work would hide later growth.
            maker = get_context("spawn").Process(target=make_logs, args=(data, arguments.logs))
            maker.start()
            maker.join()
        grown_mb = growth_mb(DataRoot.find(data, arguments.maps), arguments.scenarios)
    print(f"growth over {arguments.scenarios} scenarios: {grown_mb:.1f} MB (target {GROWTH_MB} MB)")
    return 0 if grown_mb <= GROWTH_MB else 1


def make_logs(data: Path, count: int) -> None:
    """Write logs of two minutes on a city's map."""
    map_graph = large_map()
    for number in range(count):
        name = f"2021.07.16.20.0{number}.00_veh-35_00000_00120"
        write_world([busy_recording(map_graph, name, 120.0, 60)], data, fill_locations=False)


def growth_mb(data_root: DataRoot, count: int) -> float:
    """Peak resident memory from the second scenario on, minus that after the first."""
    process = psutil.Process()
    entries = islice(cycle(list_scenarios(data_root)), count)
    first_mb = highest_mb = 0.0
    for number, entry in enumerate(entries):
        scenario = open_scenario(entry)
        scenario.observation_at(0)
        scenario.observation_at(scenario.num_frames - 1)
        del scenario
        if number == 0:
            gc.collect()
            first_mb = process.memory_info().rss / 1e6
        highest_mb = max(highest_mb, process.memory_info().rss / 1e6)
        if number % 100 == 0:
            print(f"after {number + 1:4d}: {process.memory_info().rss / 1e6:.1f} MB")
    return highest_mb - first_mb


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
