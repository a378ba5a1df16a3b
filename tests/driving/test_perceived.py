import numpy as np
import pytest

from driving.agents import AgentTracks
from driving.perceived import ROAD_LAYERS, Perceived, PerceivedRoad


def road(probabilities, cell_m=1.0):
    return PerceivedRoad(
        ego_pose=np.zeros(3), x_min_m=-32.0, y_min_m=-32.0, cell_m=cell_m, probabilities=probabilities
    )


def test_a_road_has_one_layer_per_class():
    assert road(np.zeros((len(ROAD_LAYERS), 4, 6), dtype=np.uint8)).probabilities.shape == (3, 4, 6)
    with pytest.raises(ValueError, match="needs the layers drivable, lane_line, crosswalk"):
        road(np.zeros((2, 4, 6), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"cells of 0\.0 m"):
        road(np.zeros((3, 4, 6), dtype=np.uint8), cell_m=0.0)


def test_perceived_agents_are_those_of_one_step():
    assert Perceived(agents=AgentTracks.none(1), road=None).agents.num_agents == 0
    with pytest.raises(ValueError, match="those of one step, got 3 steps"):
        Perceived(agents=AgentTracks.none(3), road=None)
