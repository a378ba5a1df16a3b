"""Cameras of a benchmark run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from benchmark_runs import run, settings

from driving.rigs import NUSCENES_6
from planning.registry import load_planner
from simulation.benchmark.camera_options import CameraOptions
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog
from simulation.rendering.faults import parse_fault
from simulation.sensors.rendered import CameraSettings

RIG = NUSCENES_6.resized(sizes=(48, 27))
BLIND = SimpleNamespace(name="blind")
SEEING = SimpleNamespace(
    name="seeing", camera_settings=CameraSettings(rig=RIG, every_steps=5, seed=7, appearance="dusk")
)


def test_without_options_planners_keep_their_own_cameras():
    options = CameraOptions()
    assert options.settings_for(BLIND) is None
    assert options.settings_for(SEEING).to_json() == SEEING.camera_settings.to_json()
    assert options.to_json() is None
    assert CameraOptions.from_json(None) == options


def test_options_change_the_parts_that_they_name():
    changed = CameraOptions(appearance="night", faults=(parse_fault("CAM_BACK:black"),)).settings_for(SEEING)
    assert (changed.appearance, changed.seed, changed.every_steps) == ("night", 7, 5)
    assert [str(fault) for fault in changed.faults] == ["CAM_BACK:black"]
    assert CameraOptions(appearance="night").settings_for(BLIND) is None


def test_a_rig_gives_cameras_to_all_planners():
    rig = NUSCENES_6.resized(sizes=(96, 54))
    for planner, steps in ((BLIND, 1), (SEEING, 5)):
        found = CameraOptions(rig=rig).settings_for(planner)
        assert found.rig is rig
        assert found.calibration is None
        assert found.every_steps == steps


def test_options_survive_json():
    options = CameraOptions(
        rig=RIG, calibration=RIG.shifted(yaw_rad=0.01), seed=3, faults=(parse_fault("CAM_BACK:nan"),)
    )
    again = CameraOptions.from_json(json.loads(json.dumps(options.to_json())))
    assert again.to_json() == options.to_json()
    np.testing.assert_array_equal(again.calibration.ego_from_camera, options.calibration.ego_from_camera)


@pytest.fixture(scope="module")
def images_read(world, tmp_path_factory):
    """A run of a planner that reads images, and one that does not, with a fault."""
    folder = tmp_path_factory.mktemp("images_read")
    options = CameraOptions(rig=RIG, appearance="night", faults=(parse_fault("CAM_BACK:black"),))
    planners = ("odd_planners:ReadsImages", "odd_planners:Straight")
    return run(world, folder, *planners, cameras=options.to_json(), limit=1), folder


def test_images_reach_planners_and_settings_reach_the_logs(images_read):
    report, folder = images_read
    assert [len(group.failed) for group in report.groups] == [0, 0]
    store = ResultStore(folder)
    assert store.read_run()["settings"]["cameras"]["appearance"] == "night"
    logs = [SimulationLog.load(store.log_file(key)) for key in sorted(store.finished())]
    for log in logs:
        assert CameraSettings.from_json(log.cameras).rig.names == RIG.names
        assert log.cameras["faults"] == ["CAM_BACK:black"]


def test_a_run_is_resumed_with_its_cameras_only(images_read, world):
    _, folder = images_read
    changed = settings(world, folder, "odd_planners:ReadsImages", "odd_planners:Straight", limit=1, resume=True)
    with pytest.raises(ValueError, match="now it is None"):
        run_benchmark(changed, load_planner)


def test_options_without_any_camera_are_refused(world, tmp_path):
    options = CameraOptions(appearance="night")
    with pytest.raises(ValueError, match=r"need a rig \(--cameras\)"):
        run_benchmark(settings(world, tmp_path / "out", cameras=options.to_json()), load_planner)
