"""How much resident memory grows while 500 scenarios are opened one after the other.

    python benchmarks/scenario_memory.py                     # logs as busy as nuPlan's, made here
    python benchmarks/scenario_memory.py --data ../shared/golden/world1

Each scenario is opened, its first and last observation are taken, and it is let go. Target: 100 MB.
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
    """What to open, and how often."""

    data: Path | None = None
    """nuPlan data root or folder of logs; without it logs are made."""
    maps: Path | None = None
    """Maps folder, where it is not beside the data."""
    scenarios: int = 500
    """As many are opened; where there are fewer, from the first one again."""
    logs: int = 4
    """That are made."""


def main(arguments: Arguments) -> int:
    """Measure, print, and tell by the exit code whether the target is met."""
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or Path(folder) / "data"
        if arguments.data is None:
            os.environ["CAMBER_CACHE"] = str(Path(folder) / "cache")
            # In a process of its own: memory that was used once would hide what is used later.
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
    """Resident memory at its highest from the second scenario on, less that after the first."""
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
