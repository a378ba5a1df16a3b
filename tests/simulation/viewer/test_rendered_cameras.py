"""Images of a drive, drawn again from its log."""

import io
from dataclasses import replace

import numpy as np
import pytest
from perceived_drives import perceived_at
from PIL import Image

from driving.agents import AgentKind
from driving.geometry import global_from_local
from driving.planner import reset_planner
from driving.rigs import NUPLAN_8, NUSCENES_6
from driving.synthetic.scenes import scene
from planning.registry import load_planner
from simulation.log import SimulationLog
from simulation.rendering.faults import parse_fault
from simulation.rollout import Rollout
from simulation.sensors.rendered import CameraSettings
from simulation.viewer.rendered_cameras import RenderedStrip, driven_scenario

STEPS = (0, 2, 30)
SETTINGS = CameraSettings(
    rig=NUSCENES_6.resized(sizes=(48, 27)),
    appearance="night",
    seed=3,
    every_steps=2,
    faults=(parse_fault("CAM_BACK:missing"), parse_fault("CAM_FRONT_LEFT:late=0.5")),
)


@pytest.fixture(scope="module")
def drive():
    """Scenario, log, and the images of the front and the left camera that were seen during the drive."""
    scenario, planner = scene("queue"), load_planner("idm")
    rollout = Rollout(scenario, traffic="reactive", cameras=SETTINGS)
    reset_planner(planner, scenario)
    seen = {}
    while rollout.iteration <= max(STEPS):
        observation = rollout.observation()
        if rollout.iteration in STEPS:
            seen[rollout.iteration] = [observation.cameras.image(camera) for camera in (0, 1)]
        rollout.advance(planner.plan(observation))
    return scenario, SimulationLog.from_bytes(rollout.log().to_bytes()), seen


def test_images_of_a_log_are_those_of_the_drive_byte_by_byte(drive):
    scenario, log, seen = drive
    strip = RenderedStrip(scenario, log)
    for step in STEPS:
        for camera in (0, 1):
            np.testing.assert_array_equal(strip.pixels(6 * step + camera), seen[step][camera])


def test_the_strip_lists_each_image_with_time_and_boxes(drive):
    scenario, log, _ = drive
    strip = RenderedStrip(scenario, log).strip()
    assert strip["names"] == list(NUSCENES_6.names)
    assert len(strip["images"]) == 6 * -(-log.num_steps // 2)
    front = next(image for image in strip["images"] if image["frame"] == 6 * 30)
    assert front["time_s"] == pytest.approx(3.0, abs=0.01)
    assert any(box["kind"] == "vehicle" for box in front["boxes"])


@pytest.fixture(scope="module")
def drive_with_perception(drive):
    """The drive with two perceived boxes: one at the vehicle ahead, one beside the ego, where no agent is."""
    scenario, log, _ = drive
    steps = []
    for step in range(log.num_steps):
        ego = log.ego.rear_axle_poses[0, step]
        ahead = log.agents.poses[log.agents.rows_at(step)[0], step]
        beside = np.append(global_from_local(np.array([8.0, 6.0]), ego), 0.0)
        steps.append(perceived_at(ego, [ahead, beside], [AgentKind.VEHICLE] * 2, ["perceived-1", "perceived-2"]))
    return scenario, replace(log, perceived=tuple(steps))


def test_perceived_boxes_are_projected_and_false_ones_marked(drive, drive_with_perception):
    images = RenderedStrip(*drive_with_perception).strip()["images"]
    front = next(image for image in images if image["frame"] == 6 * 30)
    marks = {box["track"]: box["is_false"] for image in images[:6] for box in image["perceived"]}
    assert marks == {"perceived-1": False, "perceived-2": True}
    true = {tuple(np.ravel(box["corners"]).tolist()[:8]) for box in front["boxes"]}
    found = next(box for box in front["perceived"] if box["track"] == "perceived-1")
    gaps = [np.abs(np.array(corners) - np.ravel(found["corners"])[:8]).max() for corners in true]
    assert min(gaps) < 3.0
    assert not any("perceived" in image for image in RenderedStrip(*drive[:2]).strip()["images"])


def test_agents_that_a_camera_shows_are_listed_at_every_second_step(drive_with_perception):
    scenario, log = drive_with_perception
    settings = CameraSettings(rig=NUSCENES_6.resized(sizes=(192, 108)))
    found = RenderedStrip(scenario, replace(log, cameras=settings.to_json())).visible()
    assert found["every"] == 2
    assert len(found["agents"]) == -(-log.num_steps // 2)
    assert any(found["agents"])
    assert {row for rows in found["agents"] for row in rows} <= set(range(log.agents.num_agents))


def test_a_missing_image_is_black_and_an_unknown_one_is_refused(drive):
    scenario, log, _ = drive
    strip = RenderedStrip(scenario, log)
    with Image.open(io.BytesIO(strip.jpeg(3))) as image:
        assert image.size == (48, 27)
        assert not np.asarray(image).any()
    with pytest.raises(LookupError, match="images 0 to"):
        strip.jpeg(6 * log.num_steps)


def test_drives_without_settings_and_recorded_scenarios_have_the_default_rig(drive):
    scenario, log, _ = drive
    for one in (replace(log, cameras=None), None):
        strip = RenderedStrip(scenario, one)
        assert strip.pixels(0).shape == (270, 480, 3)


def test_agents_of_the_drive_replace_those_of_the_recording(drive):
    scenario, log, _ = drive
    driven = driven_scenario(scenario, log)
    first, stop = scenario.first_frame, scenario.first_frame + log.num_steps
    assert driven.agents.valid[:, :first].tolist() == scenario.agents.valid[:, :first].tolist()
    assert not driven.agents.valid[:, stop:].any()
    np.testing.assert_array_equal(driven.ego.rear_axle_poses[0, first:stop], log.ego.rear_axle_poses[0])
    other = replace(log, ego=replace(log.ego, time_us=log.ego.time_us + 1))
    with pytest.raises(ValueError, match="is of other data"):
        driven_scenario(scenario, other)


def test_boxes_beside_the_field_of_view_of_a_lens_are_not_drawn():
    scenario = scene("queue")
    drawn = RenderedStrip(scenario, None).strip()
    rig = NUPLAN_8.resized(sizes=(480, 270))
    for image in drawn["images"]:
        for box in image["boxes"]:
            corners = np.array(box["corners"])
            # An image of 63 degrees holds no box that is many times as wide as the image.
            assert np.ptp(corners[:, 0]) < 4 * rig.image_sizes[image["camera"]][0]
