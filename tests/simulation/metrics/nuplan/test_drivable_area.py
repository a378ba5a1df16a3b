import numpy as np
import pytest

from simulation.metrics.nuplan.drivable_area import corners_in_drivable_area, drivable_area_compliance
from tests.support.drives import RIGHT_LANE_Y, STEPS, drive, fork_map, motion, steady

HALF_WIDTH_M = 2.297 / 2
EDGE_Y = -7.0


@pytest.mark.parametrize(("off_m", "score"), [(0.29, 1.0), (0.31, 0.0)])
def test_corners_may_be_off_by_less_than_0_3_m(off_m, score):
    result = drivable_area_compliance(drive(steady(y=EDGE_Y - off_m + HALF_WIDTH_M)))[0]
    assert result.score == score
    assert result.series == pytest.approx(np.full(STEPS, off_m))


def test_the_sentence_names_the_first_corner_and_its_time():
    y = np.where(np.arange(STEPS) < 50, RIGHT_LANE_Y, EDGE_Y + HALF_WIDTH_M - 1.0)
    result = drivable_area_compliance(drive(motion(20.0 + 0.8 * np.arange(STEPS), y)))[0]
    assert result.sentence == "rear right corner left the drivable area at 5.0 s, up to 1.0 m off until 14.9 s"


def test_distances_beyond_20_m_are_reported_as_such():
    result = drivable_area_compliance(drive(steady(y=-500.0)))[0]
    assert result.sentence.endswith("up to more than 20 m off until 14.9 s")


def test_corners_in_drivable_area_has_no_tolerance():
    outside = drive(steady(y=EDGE_Y - 0.1 + HALF_WIDTH_M))
    assert drivable_area_compliance(outside)[0].score == 1.0
    assert corners_in_drivable_area(outside)[0].statistics == {"corners_in_drivable_area": 0.0}


def test_lanes_without_drivable_area_below_them_count():
    inside = drive(steady(), on=fork_map())
    assert inside.map.generic_drivable_areas.ids.size == 0
    assert corners_in_drivable_area(drive(motion(20.0 + np.zeros(STEPS), 0.0), on=fork_map()))[0].series.all()
