import numpy as np
import pytest

from driving.map import StopLineKind
from driving.synthetic.roads import RoadBuilder
from simulation.metrics.nuplan.stop_lines import ego_stop_at_stop_line
from tests.support.drives import FRONT_M, STEPS, agents, drive, motion

LINE_X = 100.0


def map_with_stop_line():
    builder = RoadBuilder(origin=(0.0, 0.0))
    road = builder.add_road(np.array([[0.0, 1.75], [LINE_X, 1.75]]))
    builder.add_stop_line(road.forward_lanes, StopLineKind.STOP_SIGN, before_end_m=4.0, behind_end_m=0.0)
    return builder.build()


def metric(front_x, speed_mps, *rows):
    x = np.full(STEPS, front_x - FRONT_M)
    ego = motion(x, 0.0, speed_mps=np.full(STEPS, speed_mps))
    present = agents(*rows) if rows else None
    return ego_stop_at_stop_line(drive(ego, present, on=map_with_stop_line()))[0]


@pytest.mark.parametrize(("speed_mps", "stops"), [(0.0, 1.0), (0.2, 0.0)])
def test_standing_with_the_front_on_the_line_is_a_stop(speed_mps, stops):
    result = metric(98.0, speed_mps)
    assert result.score is None
    assert result.statistics["number_of_ego_before_stop_line"] == 1.0
    assert result.statistics["number_of_ego_stop_before_stop_line"] == stops
    assert result.notes[0].sentence.startswith("stopped at" if stops else "passed")


def test_before_the_line_nothing_is_measured():
    assert metric(90.0, 0.0).statistics == {}


def test_behind_a_leading_agent_nothing_is_measured():
    assert metric(98.0, 0.0, {"x": 97.5, "y": 0.8, "size": (1.0, 1.0)}).statistics == {}


def test_without_stop_lines_nothing_is_measured():
    assert ego_stop_at_stop_line(drive(motion(np.full(STEPS, 50.0), 0.0)))[0].statistics == {}
