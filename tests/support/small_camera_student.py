"""A small camera student on the small perception network, and scenes without images."""

import numpy as np
import torch
from small_perception import small_network

from distill.camera_states import CameraStates, halved
from distill.contract import SUB_SCORES
from distill.motions import generated_motions
from distill.vocabulary_building import build_vocabulary
from planning.neural.camera_checkpoint import CameraStudent, perception_digest
from planning.neural.camera_network import CameraNetworkConfig, CameraStudentNetwork
from planning.neural.camera_scene import AGENT_SIZE, GRID_CHANNELS, MAX_AGENTS, CropWindow, SceneArrays
from planning.neural.network import ScoreWeights
from planning.neural.vocabulary import TrajectoryVocabulary


def small_vocabulary() -> TrajectoryVocabulary:
    return build_vocabulary(generated_motions(200, seed=0), 32, iterations=2)


def small_config() -> CameraNetworkConfig:
    config = small_network().config
    grid = CropWindow.of(config).feature_grid
    return CameraNetworkConfig(
        grid=grid, bev_channels=config.bev_channels, trunk_channels=4, width=16, instant_width=8
    )


def small_student(sub_scores: tuple[str, ...] = SUB_SCORES, seed: int = 0) -> CameraStudent:
    torch.manual_seed(seed)
    return CameraStudent(
        network=CameraStudentNetwork(small_config(), sub_scores).eval(),
        vocabulary=small_vocabulary(),
        weights=ScoreWeights(),
        perception=perception_digest(small_network().state_dict()),
    )


def empty_scenes(count: int = 1, speed_mps: float = 8.0) -> SceneArrays:
    """Scenes on a straight line without agents; every grid is zero."""
    num_x, num_y = small_config().grid.shape
    route = np.zeros((count, 64, 4))
    route[..., 0], route[..., 2] = (np.arange(64) - 5) * 2.0, 1.0
    ego = np.zeros((count, 10))
    ego[:, 3] = speed_mps
    return SceneArrays(
        bev=np.zeros((count, 8, num_x, num_y), dtype=np.float32),
        grids=np.zeros((count, len(GRID_CHANNELS), 2 * num_x, 2 * num_y), dtype=np.float32),
        signal=np.tile(np.eye(4, dtype=np.float32)[3], (count, 1)),
        run_from_now=np.zeros((count, 3)),
        age_s=np.zeros(count, dtype=np.float32),
        agents=np.zeros((count, MAX_AGENTS, AGENT_SIZE), dtype=np.float32),
        agents_mask=np.zeros((count, MAX_AGENTS), dtype=bool),
        route=route,
        ego=ego,
    )


def states_of(count: int, seed: int = 0) -> CameraStates:
    """Labelled states with random scores of 12 candidates."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 256, (count, 12, len(SUB_SCORES))).astype(np.uint8)
    return CameraStates(
        scenario_ids=tuple(f"{row:04x}" for row in range(count)),
        scenes=halved(empty_scenes(count)),
        candidates=np.tile(np.arange(12), (count, 1)),
        scores=scores,
        visible_scores=np.maximum(scores, 200).astype(np.uint8),
        example=np.zeros((count, 41, 3), dtype=np.float32),
    )
