import numpy as np
import pytest

from simulation.generation.condition import SceneCondition
from simulation.generation.learned.inputs import new_progress, placed_of, road_of, traced
from simulation.generation.learned.scales import MAX_PIECE_M, SPEED_SCALE_MPS
from simulation.generation.learned.sweep import add_running, write_row, write_slots, write_speed_inputs
from simulation.generation.learned.sweep_state import (
    BESIDE_LANES,
    IN_LANE,
    IN_LANES,
    NUM_BICYCLES,
    NUM_GAP_BINS,
    NUM_PEDESTRIANS,
    RATIO,
    STANDING,
    empty_placed,
    empty_rows,
    empty_slots,
    link,
    pose_on,
)
from simulation.generation.learned.trace import trace
from simulation.generation.learned.vocabulary import GAP, AgentClass


@pytest.fixture
def sweep(scene):
    """Road and progress of the scene, and a vehicle of 4 m at 6 m/s in the middle of the centre piece."""
    road = road_of(scene.window)
    placed = empty_placed(len(scene.window), 8)
    place = scene.window.center_piece
    along = float(road.length[place] / 2)
    placed.place[0], placed.along[0], placed.speed[0] = place, along, 6.0
    placed.pose[0] = pose_on(road, place, along)
    placed.size[0] = [4.0, 2.0]
    link(placed, 0)
    return road, placed, new_progress(road, SceneCondition()), (place, along)


def test_a_row_shows_the_leader_and_the_nearest_agents(sweep):
    road, placed, progress, (place, along) = sweep
    rows = empty_rows(1)
    write_row(road, placed, progress, (IN_LANES, place, along - 7.0), (rows, 0))
    features = rows.features[0]
    assert features[0] == pytest.approx((along - 7.0) / MAX_PIECE_M)
    # A leader; 7 m to its centre are 5 m to its rear.
    assert features[1] == 1.0
    assert features[2] * 20.0 == pytest.approx(5.0, abs=1e-4)
    assert features[3] * SPEED_SCALE_MPS == pytest.approx(6.0)
    assert rows.is_near[0].tolist() == [True] + 11 * [False]
    ahead, left = rows.near[0, 0, :2] * 20.0
    assert (ahead, left) == (pytest.approx(7.0, abs=0.2), pytest.approx(0.0, abs=0.2))


def test_beside_the_lanes_vehicles_in_lanes_are_no_leaders(sweep):
    road, placed, progress, (place, along) = sweep
    rows = empty_rows(1)
    write_row(road, placed, progress, (BESIDE_LANES, place, along - 7.0), (rows, 0))
    assert rows.features[0, 1] == 0.0
    assert rows.is_near[0, 0]


def test_missing_agents_of_a_condition_are_part_of_a_row(sweep):
    road, placed, _, (place, along) = sweep
    progress = new_progress(road, SceneCondition(pedestrians=4))
    add_running(progress, AgentClass.PEDESTRIAN, 1.0, 10.0)
    rows = empty_rows(1)
    write_row(road, placed, progress, (BESIDE_LANES, place, along), (rows, 0))
    features = rows.features[0]
    assert features[18:27:3].tolist() == [0.0, 0.0, 0.0]
    assert features[27] == 1.0
    assert features[28] * 20.0 == pytest.approx(3.0)


def test_gaps_of_positions_are_those_between_boxes(sweep):
    road, placed, _, (place, along) = sweep
    slots = empty_slots(1)
    write_slots(road, placed, (IN_LANES, place, road.length[place]), (0.0, 4.0), (slots, 0))
    position = int((along - 6.75) / 0.5)
    middle = 0.5 * position + 0.25
    expected = along - middle - 4.0
    assert slots.gap_ahead[0, position] == GAP.of(np.array([expected]))[0]
    assert slots.gap_behind[0, position] == NUM_GAP_BINS - 1
    behind = int((along + 6.0) / 0.5)
    assert slots.gap_behind[0, behind] == GAP.of(np.array([0.5 * behind + 0.25 - along - 4.0]))[0]
    # Positions beyond the end of the piece do not exist.
    assert slots.is_free[0].sum() == np.ceil(road.length[place] / 0.5)


def test_positions_beyond_the_agent_placed_before_are_not_drawn(sweep):
    road, placed, _, (place, along) = sweep
    slots = empty_slots(1)
    write_slots(road, placed, (IN_LANES, place, along), (0.0, 4.0), (slots, 0))
    assert slots.is_free[0].sum() == np.ceil(along / 0.5)


def test_speeds_depend_on_the_leader(sweep):
    road, placed, _, (place, along) = sweep
    slots = empty_slots(2)
    write_speed_inputs(road, placed, (IN_LANES, place, along - 8.0), (0.0, 4.0), (slots, 0))
    assert slots.lead_speed[0] == 6.0
    assert slots.speed[0, 2] * 20.0 == pytest.approx(4.0)
    write_speed_inputs(road, placed, (IN_LANES, place, along + 8.0), (0.0, 4.0), (slots, 1))
    assert np.isnan(slots.lead_speed[1])
    assert slots.speed[1, 6:9].tolist() == pytest.approx([1.0, 0.2, 6.0 / SPEED_SCALE_MPS])


def test_agents_are_counted_by_class(sweep):
    progress = sweep[2]
    for kind, speed in (("VEHICLE", 0.0), ("VEHICLE", 5.0), ("BICYCLE", 4.0), ("PEDESTRIAN", 1.0)):
        add_running(progress, AgentClass[kind], speed, 10.0)
    counts = progress.running[[IN_LANE, STANDING, NUM_BICYCLES, NUM_PEDESTRIANS]]
    assert counts.tolist() == [3.0, 1.0, 1.0, 1.0]
    assert progress.running[RATIO] == pytest.approx(0.9)


# ---------------------------------------------------------------------- the decisions of a whole scene


def test_each_agent_is_drawn_once_and_each_piece_left_twice(scene):
    found = traced(scene)
    assert sorted(found.drawn[found.drawn >= 0].tolist()) == list(range(len(scene.agents)))
    assert (found.drawn < 0).sum() == 2 * len(scene.window)
    assert found.drawn[0] == scene.ego


def test_given_agents_are_seen_and_not_drawn(scene):
    kept = np.arange(len(scene.agents)) == len(scene.agents) - 1
    found = traced(scene, is_kept=kept)
    assert len(scene.agents) - 1 not in found.drawn
    # The follower's decision sees the ego, the leader, and now the parked vehicle, which is drawn later otherwise.
    sees = [one.rows.is_near[one.drawn == 2].sum() for one in (traced(scene), found)]
    assert sees == [2, 3]


def test_counts_run_along_with_the_decisions(scene):
    road = road_of(scene.window)
    progress = new_progress(road, SceneCondition())
    agents = placed_of(scene.window, scene.agents, np.arange(len(scene.agents)) == scene.ego)
    capacity = 2 * len(scene.window) + len(scene.agents)
    out = empty_rows(capacity), empty_slots(capacity), np.full(capacity, -1, dtype=np.int64)
    count = trace(road, agents, np.zeros(len(scene.agents), dtype=bool), progress, out)
    assert count == 2 * len(scene.window) + len(scene.agents)
    # Two vehicles besides the ego, and one pedestrian.
    assert progress.running[[IN_LANE, NUM_PEDESTRIANS]].tolist() == [2.0, 1.0]
