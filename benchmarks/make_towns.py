"""Generate towns of many seeds and check every scenario by `check_scenario`.

    python benchmarks/make_towns.py --seeds 100
    python benchmarks/make_towns.py --seeds 3 --full        # towns of the size of scripts/make_worlds.py
    python benchmarks/make_towns.py --seeds 100 --calibrated --recorded-plans

Small towns have 4 by 3 junctions, 110 vehicles, and one or a few recordings of 40 s. With `--twice` each town is
generated a second time, and both must be equal to the last bit.
"""

import hashlib
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.checks import check_scenario
from driving.recording import Recording
from simulation.generation.town.calibrated_traffic import with_calibration
from simulation.generation.town.generator import generate_town
from simulation.generation.town.layout import TownSettings, small_town, with_style
from simulation.generation.town.recorded import RECORDED, RECORDED_STYLE


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Towns to generate."""

    seeds: int = 100
    """Number of seeds."""
    first: int = 0
    """First seed."""
    full: bool = False
    """Towns of full size."""
    twice: bool = False
    """Generate each town twice and compare."""
    calibrated: bool = False
    """Towns with recorded sizes, lateral offsets, gaps and speeds."""
    recorded_plans: bool = False
    """Towns with lane graphs like recorded ones."""


def main(arguments: Arguments) -> None:
    """Print each town that fails, and the number of towns that pass."""
    settings = TownSettings() if arguments.full else small_town()
    if arguments.recorded_plans:
        settings = with_style(settings, RECORDED_STYLE)
    if arguments.calibrated:
        settings = with_calibration(settings, RECORDED)
    passed, types, seconds = 0, Counter[str](), []
    with progress(arguments) as bar:
        for seed in bar.track(range(arguments.first, arguments.first + arguments.seeds), description="Towns"):
            begin = time.perf_counter()
            try:
                recordings = generate_town(seed, settings)
                for recording in recordings:
                    for scenario in recording.scenarios():
                        check_scenario(scenario)
                        types[scenario.scenario_type] += 1
                if arguments.twice and fingerprint(recordings) != fingerprint(generate_town(seed, settings)):
                    raise ValueError("The second generation of the town differs from the first.")
                passed += 1
            except ValueError as error:
                console.print(f"seed {seed}: {error}")
            seconds.append(time.perf_counter() - begin)
    size = "full" if arguments.full else "small"
    console.print(
        f"{passed} of {arguments.seeds} {size} towns pass, {sum(types.values())} scenarios of {len(types)} types."
    )
    console.print(
        f"Median {np.median(seconds):.1f} s a town, slowest {max(seconds):.1f} s (compilation in the first)."
    )


def fingerprint(recordings: list[Recording]) -> str:
    """A digest of the recordings of a town."""
    digest = hashlib.sha256()
    for one in recordings:
        lanes = one.map.lanes
        arrays = [one.time_us, one.ego.rear_axle_poses, one.ego.velocities_mps, one.ego.accelerations_mps2]
        arrays += [one.agents.poses, one.agents.velocities_mps, one.agents.sizes, one.agents.valid]
        arrays += [one.traffic_lights.offsets, one.traffic_lights.statuses, lanes.centerlines.values, lanes.ids]
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(repr((one.log_name, one.agents.track_ids, one.tags)).encode())
        digest.update(repr([mission.roadblock_ids for mission in one.missions]).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    run(Arguments, main, __doc__)
