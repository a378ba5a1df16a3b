import numpy as np
import pytest

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES, scene
from simulation.realism.sources import folds_of, measure, scenarios_in


def test_folds_take_every_nth_name():
    assert folds_of(["d", "a", "c", "b", "e"], 2) == [["a", "c", "e"], ["b", "d"]]


@pytest.mark.parametrize(("names", "folds"), [(["a", "b"], 1), (["a"], 2)])
def test_folds_need_recordings(names, folds):
    with pytest.raises(ValueError, match=f"got {folds} folds of {len(names)} recordings"):
        folds_of(names, folds)


def test_measured_scenarios_are_kept_by_log():
    scenarios = [scene("queue"), scene("red_light")]
    found = measure(iter(scenarios), every_s=2.0)
    logs = sorted({one.log_name for one in scenarios})
    assert found.sources == logs
    assert len(found.snapshots) == sum(len(range(0, one.num_frames, 20)) for one in scenarios)
    part = found.of(logs[:1])
    assert part.sources == list(part.maps) == list(part.straight) == logs[:1]
    assert {one.source for one in part.snapshots} == set(logs[:1])
    assert len(found.map_statistics()) >= 2


def test_no_scenario_is_an_error():
    with pytest.raises(ValueError, match="No scenario to measure"):
        measure(iter(()))


def test_a_data_root_and_a_folder_of_recordings_are_read(tmp_path):
    recording = SCENES["queue"]()
    write_world([recording], tmp_path / "root")
    stored = list(scenarios_in(tmp_path / "root"))
    assert [one.log_name for one in stored] == [recording.log_name]
    np.testing.assert_allclose(
        stored[0].ego.rear_axle_poses, recording.scenarios()[0].ego.rear_axle_poses, rtol=0, atol=1e-6
    )


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no recordings of the formats argoverse2, track_archive"):
        next(scenarios_in(tmp_path))
    with pytest.raises(FileNotFoundError, match="No folder"):
        next(scenarios_in(tmp_path / "absent"))
