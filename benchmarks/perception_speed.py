"""Time of one run of a perception network: torch as trained, folded, prepared for `Perceiver`, and onnxruntime.

    python benchmarks/perception_speed.py
    python benchmarks/perception_speed.py --checkpoint checkpoints/eyes --rig argoverse2_7 --repeats 100

One thread, process CPU time, random images, one past frame that is warped already. The four take turns, so that
other programs slow all of them; "faster than torch" is the median over the turns. Needs the extra `onnx`.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, require_count, run
from tables import TextTable

from driving.rig_files import rig_named
from perception.checkpoint import SHIPPED, Checkpoint
from perception.export import export_onnx, onnx_inputs
from perception.folding import folded, for_inference
from perception.images import fit_rig, network_images
from perception.lift import LiftTable
from perception.network import PerceptionNetwork
from simulation.benchmark.provenance import provenance


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network, rig and repetitions."""

    checkpoint: Path = SHIPPED
    """Folder of the network."""
    rig: str = "nuscenes_6"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file."""
    repeats: int = 60
    """Turns."""
    seed: int = 0
    """Of the images."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    import onnxruntime

    require_count("--repeats", arguments.repeats)
    torch.set_num_threads(1)
    network = Checkpoint.load(arguments.checkpoint).network
    rig = fit_rig(rig_named(arguments.rig), network.config.image_size).rig
    table, present = network.table(rig), np.ones(len(rig.names), dtype=bool)
    shape = (len(rig.names), *network.config.image_size, 3)
    images = np.random.default_rng(arguments.seed).integers(0, 256, shape, dtype=np.uint8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network, rig, path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = onnx_inputs(network, table, images, present)
    seconds = taken_in_turns(
        {
            "torch, as trained": partial(run_once, network, table, images),
            "torch, folded": partial(run_once, folded(network), table, images),
            "torch, of the perceiver": partial(run_once, for_inference(network), table, images),
            "onnxruntime": lambda: session.run(None, inputs),
        },
        arguments.repeats,
    )
    text = TextTable(
        title="One run, ms of CPU time", head=("network", "fastest", "median", "onnxruntime is faster by")
    )
    for name, values in seconds.items():
        ratio = np.median(values / seconds["onnxruntime"])
        text.add(name, f"{1e3 * values.min():.1f}", f"{1e3 * np.median(values):.1f}", f"{ratio:.2f}")
    print_lines(text.markdown())
    about = provenance()
    print_line(
        f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}; {about['hardware']['cpu']}, one thread"
    )
    print_line(f"Command: python {about['command']}; commit {about['commit']}")


@torch.inference_mode()
def run_once(network: PerceptionNetwork, table: LiftTable, images: np.ndarray) -> None:
    """All that the exported file computes: from 8-bit images and past features to predictions."""
    config = network.config
    present = torch.ones(1, len(images), dtype=torch.bool)
    frame = network_images(images)[None]
    memory = network.bev_features(network.image_features(frame), table, present)
    covered, past = torch.ones(1, 1, *config.feature_grid.shape), torch.zeros_like(memory)[:, None]
    used = torch.ones(1, 1, dtype=torch.bool)
    fused = network.temporal(memory, past, covered, torch.full((1, 1), 0.5), used)
    network.predict(frame, memory, fused, table, present)


def taken_in_turns(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of CPU time of each run in each turn, after one turn to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, call in runs.items():
            started = time.process_time()
            call()
            seconds[name].append(time.process_time() - started)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


if __name__ == "__main__":
    run(Arguments, main, __doc__)
