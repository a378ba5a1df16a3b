r"""Errors of the student's forecasts of vehicles on labelled states.

    python scripts/label.py --data worlds_test --vocabulary vocabulary_1024.npz --output labels_test
    python benchmarks/agent_forecasts.py --student checkpoints/first --labels labels_test

Prints the mean distance [m] between forecast and true positions after 0.5 to 4 s, for moving vehicles within 40 m of
the ego and for those that turn: at constant velocity, with turn and acceleration continued, and as the network
corrects it.
"""

import os

# Before torch starts its threads: idle threads would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run
from tables import TextTable
from tyro.conf import UseAppendAction

from distill.labels import LabelledStates, LabelStore, joined
from driving.agents import AgentKind
from driving.geometry import wrap_angle
from planning.forecasting.constant_velocity import INSTANTS_S, constant_velocity
from planning.neural.agent_forecast import forecast_agents
from planning.neural.network import Student, StudentNetwork
from planning.neural.tokens import HISTORY_INTERVAL_S, KIND, SPEED_MPS, VELOCITY, history_of

NEAR_M, MOVING_MPS, TURNING_RADPS = 40.0, 0.3, 0.12
"""Vehicles that are counted, and which of them turn."""
SHOWN = [0, 1, 3, 5, 7]
"""Rows of the instants that are printed."""
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Student and labels."""

    student: Path
    """Checkpoint folder."""
    labels: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Folder of scripts/label.py; may be repeated."""


def main(arguments: Arguments) -> None:
    """Forecast, compare, print."""
    if not arguments.labels:
        raise ValueError("Name at least one folder of labels, for example --labels labels_test.")
    torch.set_num_threads(1)
    states = joined([LabelStore(folder).read() for folder in arguments.labels])
    tokens = states.features["agents"]
    velocities_mps = tokens[..., VELOCITY] * SPEED_MPS
    kinematic_m = forecast_agents(tokens)
    forecasts = {
        "constant velocity": constant_velocity(history_of(tokens, 0).position_m, velocities_mps),
        "turn and acceleration continued": kinematic_m,
        "corrected by the network": kinematic_m + corrections(Student.load(arguments.student).network, states),
    }
    moving, turning = counted(states)
    head = ("vehicles", "forecast", *(f"{INSTANTS_S[row]:g} s" for row in SHOWN))
    table = TextTable(title=f"Mean error of forecasts [m], {len(states)} states", head=head, num_left=2)
    for name, rows in ((f"moving ({moving.sum()})", moving), (f"turning ({turning.sum()})", turning)):
        for forecast, positions_m in forecasts.items():
            gaps_m = np.hypot(*np.moveaxis(positions_m[rows] - states.agents_ahead[rows], -1, 0))
            table.add(name, forecast, *(f"{gap_m:.2f}" for gap_m in gaps_m.mean(axis=0)[SHOWN]))
    console.print(table.printed())


def counted(states: LabelledStates) -> tuple[Bool[np.ndarray, "states agents"], Bool[np.ndarray, "states agents"]]:
    """Moving vehicles near the ego that are observed for 4 s, and those of them that turn."""
    tokens = states.features["agents"]
    now, before = history_of(tokens, 0), history_of(tokens, 1)
    speeds = np.hypot(*np.moveaxis(tokens[..., VELOCITY] * SPEED_MPS, -1, 0))
    is_near = np.hypot(now.position_m[..., 0], now.position_m[..., 1]) < NEAR_M
    is_vehicle = tokens[..., KIND][..., AgentKind.VEHICLE] > 0.0
    is_known = np.isfinite(states.agents_ahead).all(axis=(2, 3)) & states.features["agents_mask"]
    moving = is_near & is_vehicle & is_known & (speeds > MOVING_MPS)
    yaw_rates = np.abs(wrap_angle(now.heading - before.heading)) / HISTORY_INTERVAL_S
    return moving, moving & before.is_valid & (yaw_rates > TURNING_RADPS)


@torch.inference_mode()
def corrections(network: StudentNetwork, states: LabelledStates) -> Float[np.ndarray, "states agents 8 2"]:
    """What the network adds to the positions [m]."""
    parts = []
    for start in range(0, len(states), BATCH):
        rows = slice(start, start + BATCH)
        features: dict[str, Tensor] = {
            name: torch.from_numpy(values[rows]) for name, values in states.features.items()
        }
        tokens, _ = network.encoder(features)
        parts.append(network.forecast_correction(tokens, features["agents"].shape[1]).numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
