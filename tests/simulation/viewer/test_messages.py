import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.viewer.messages import drive_message, logged_message, scene_message
from simulation.viewer.packing import unpack
from simulation.viewer.sources import open_sources


@pytest.fixture(scope="module")
def driven(results):
    source = open_sources([results], None, None)[0]
    key = next(row.key for row in source.rows() if row.planner == "simple")
    return source.log(key), source.scenario(key)


def test_a_drive_is_encoded_within_a_millimetre(driven):
    log, _ = driven
    header, arrays = unpack(drive_message(log))
    centers = log.ego.center_poses()[0, :, :2] - header["origin"]
    assert np.abs(np.stack([arrays["ego.x"], arrays["ego.y"]], axis=-1) - centers).max() < 1e-3
    assert header["track_ids"] == list(log.agents.track_ids)
    np.testing.assert_array_equal(np.isfinite(arrays["agents.x"]), log.agents.valid)
    assert arrays["plans.offsets"][-1] == sum(len(plan.time_s) for plan in log.plans)
    assert arrays["time_s"][-1] == pytest.approx(14.9)


def test_plans_start_at_the_box_centre_of_the_ego(driven):
    log, _ = driven
    header, arrays = unpack(drive_message(log))
    starts = arrays["plans.points"][:, arrays["plans.offsets"][:-1]].T
    centers = log.ego.center_poses()[0, :, :2] - header["origin"]
    assert np.abs(starts - centers).max() < 0.02


def test_candidates_are_encoded_with_scores_and_the_chosen_one(results_with_candidates):
    source = open_sources([results_with_candidates], None, None)[0]
    log = source.log(source.rows()[0].key)
    arrays = unpack(drive_message(log))[1]
    counts = np.diff(arrays["candidates.offsets"])
    assert set(counts.tolist()) == {15}
    step = 20
    candidates = log.candidates[step]
    first, last = arrays["candidates.offsets"][step : step + 2]
    assert arrays["candidates.scores"][first:last] == pytest.approx(candidates.scores, abs=1e-4)
    assert arrays["candidates.chosen"][step] == first + candidates.chosen
    plan_end = arrays["plans.points"][:, arrays["plans.offsets"][step] + 40]
    assert arrays["candidates.points"][:, first + candidates.chosen, -1] == pytest.approx(plan_end, abs=0.02)


def test_drives_without_candidates_have_none_at_every_step(driven):
    log, scenario = driven
    for message in (drive_message(log), logged_message(scenario)):
        header, arrays = unpack(message)
        assert arrays["candidates.offsets"].tolist() == [0] * (header["num_steps"] + 1)
        assert (arrays["candidates.chosen"] == -1).all()


def test_the_scene_has_its_map_and_the_logged_ego(driven):
    _, scenario = driven
    header, arrays = unpack(scene_message(scenario))
    assert header["scenario"] == scenario.scenario_id
    for name in ("drivable", "lanes", "boundaries", "route"):
        assert len(arrays[f"{name}.offsets"]) > 1, name
    assert set(arrays["connectors.values"].tolist()) <= set(scenario.map.lanes.ids.tolist())
    logged = scenario.ego.center_poses()[0, scenario.frames, :2] - header["origin"]
    assert np.abs(np.stack([arrays["logged.x"], arrays["logged.y"]], axis=-1) - logged).max() < 1e-3


def test_drive_and_scene_share_an_origin(driven):
    log, scenario = driven
    assert unpack(drive_message(log))[0]["origin"] == unpack(scene_message(scenario))[0]["origin"]


def test_a_logged_scenario_is_a_drive_without_plans():
    scenario = scene("red_light")
    header, arrays = unpack(logged_message(scenario))
    assert header["planner"] == ""
    assert len(arrays["time_s"]) == scenario.num_frames
    assert arrays["plans.offsets"].tolist() == [0] * (scenario.num_frames + 1)
    assert len(arrays["lights.offsets"]) == scenario.num_frames + 1


def test_outlines_run_counter_clockwise_and_holes_clockwise():
    _, arrays = unpack(scene_message(scene("roundabout")))
    x, y = arrays["drivable.points"]
    turns = []
    for start, stop in zip(arrays["drivable.offsets"][:-1], arrays["drivable.offsets"][1:], strict=True):
        ring_x, ring_y = x[start:stop], y[start:stop]
        turns.append(np.sum(ring_x[:-1] * ring_y[1:] - ring_x[1:] * ring_y[:-1]) > 0)
    assert any(turns)
