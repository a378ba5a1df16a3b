"""Time to write a log of 27 s with 60 agents, and differences after reading it again.

python benchmarks/write_world.py
python benchmarks/write_world.py --logs 50 --agents 100
"""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from driving.agents import AgentTracks, TrafficLights
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.recording import Recording
from driving.synthetic.scenes import SCENES


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Number and size of the logs."""

    logs: int = 10
    """Logs of 27.1 s (271 frames at 10 Hz, 541 rows)."""
    agents: int = 60
    """Agents in every frame."""
    lights: int = 40
    """Lane connectors with traffic lights observed in every frame."""


def main(arguments: Arguments) -> None:
    """Write, read back, print."""
    recordings = [_busy(arguments, number) for number in range(arguments.logs)]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        stamps = [time.perf_counter()]
        write_world(recordings, output, on_log_written=lambda log_name: stamps.append(time.perf_counter()))
        seconds = np.diff(stamps)
        megabytes = sum(file.stat().st_size for file in output.rglob("*.db")) / 1e6
        error_m, error_rad = _differences(recordings, output)
    boxes = 541 * arguments.agents
    print(
        f"{arguments.logs} logs of 27.1 s, {arguments.agents} agents, {arguments.lights} lights: {boxes} boxes a log"
    )
    print(f"map, placeholders and first log  {seconds[0]:.3f} s")
    print(f"each further log, median         {np.median(seconds[1:] if len(seconds) > 1 else seconds):.3f} s")
    print(f"all                              {sum(seconds):.2f} s, {megabytes / arguments.logs:.1f} MB a log")
    print(f"read back, largest difference    {error_m * 1000:.2g} mm, {error_rad * 1000:.2g} mrad")


def _busy(arguments: Arguments, number: int) -> Recording:
    """The red light scene with more agents and lights, which drive in circles."""
    scene = SCENES["red_light"]()
    steps, count = len(scene.time_us), arguments.agents
    angle = np.linspace(0, 6.0, steps) + np.arange(count)[:, np.newaxis] * 0.1
    center = scene.ego.rear_axle_poses[0, 0, :2]
    poses = np.stack([center[0] + 30 * np.cos(angle), center[1] + 30 * np.sin(angle), angle + np.pi / 2], axis=-1)
    sizes = np.broadcast_to([4.6, 1.9], (count, steps, 2)).copy()
    agents = AgentTracks(
        track_ids=tuple(f"{one:016x}" for one in range(count)),
        kinds=np.zeros(count, dtype=np.int8),
        poses=poses,
        velocities_mps=np.gradient(poses[..., :2], 0.1, axis=1),
        sizes=sizes,
        valid=np.ones((count, steps), dtype=bool),
    )
    statuses = np.zeros((arguments.lights, steps), dtype=np.int8)
    lights = TrafficLights.from_dense(np.arange(arguments.lights, dtype=np.int64), statuses)
    return replace(scene, log_name=f"{scene.log_name}_{number:03d}", agents=agents, traffic_lights=lights)


def _differences(recordings: list[Recording], output: Path) -> tuple[float, float]:
    scenarios = {scenario.scenario_id: scenario for one in recordings for scenario in one.scenarios()}
    errors = np.zeros(3)
    for entry in list_scenarios(DataRoot.find(output)):
        scenario, again = scenarios[entry.token], open_scenario(entry)
        for old, new in (
            (scenario.ego.rear_axle_poses, again.ego.rear_axle_poses),
            (scenario.agents.poses, again.agents.poses),
        ):
            gaps = np.abs(old - new)
            gaps[..., 2] = np.abs(np.angle(np.exp(1j * gaps[..., 2])))
            errors = np.maximum(errors, gaps.max(axis=(0, 1)))
    return float(errors[:2].max()), float(errors[2])


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
