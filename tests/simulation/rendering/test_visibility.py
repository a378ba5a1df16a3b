import numpy as np

from driving.agents import AgentKind
from simulation.rendering.visibility import visible_agents


def test_agents_count_as_visible_by_pixels_of_the_best_camera():
    one, other = np.full((8, 8), -1, dtype=np.int32), np.full((8, 8), -2, dtype=np.int32)
    one.reshape(-1)[:11] = 0
    other.reshape(-1)[:12] = 1
    one.reshape(-1)[20:26] = 2
    other.reshape(-1)[20:31] = 0
    kinds = np.array(
        [AgentKind.VEHICLE, AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.TRAFFIC_CONE], dtype=np.int8
    )
    assert visible_agents((one, other), np.array(kinds, dtype=np.int8)).tolist() == [False, True, True, False]
