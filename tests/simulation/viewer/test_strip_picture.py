"""Camera images of one instant as one picture."""

import numpy as np
import pytest
from PIL import Image

from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6
from simulation.drawing.palette import DARK
from simulation.viewer.rendered_cameras import RenderedStrip
from simulation.viewer.sources import open_sources
from simulation.viewer.strip_picture import GAP_PX, in_rows, strip_picture


@pytest.mark.parametrize(
    ("rig", "front", "rear"),
    [
        (
            NUSCENES_6,
            ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"],
            ["CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"],
        ),
        (NUPLAN_8, ["CAM_L0", "CAM_F0", "CAM_R0"], ["CAM_B0"]),
        (ARGOVERSE2_7, ["ring_front_left", "ring_front_center", "ring_front_right"], ["ring_rear_left"]),
    ],
)
def test_forward_cameras_are_in_the_first_row_from_left_to_right(rig, front, rear):
    names = [rig.names[camera] for camera in in_rows(rig)]
    assert sorted(names) == sorted(rig.names)
    first = names[: (len(names) + 1) // 2]
    assert [name for name in first if name in front] == front
    assert [name for name in names[len(first) :] if name in rear] == rear


def test_the_picture_has_two_rows_with_boxes(results_with_perception, drive_with_perception):
    source = open_sources([results_with_perception], None, None)[0]
    strip = RenderedStrip(source.scenario(drive_with_perception.key), source.log(drive_with_perception.key))
    picture = np.asarray(strip_picture(strip, 20, 300))
    cell_px = (300 - 2 * GAP_PX) // 3
    assert picture.shape == (2 * round(cell_px * 27 / 48) + GAP_PX, 300, 3)
    red = [int(DARK.bound[i : i + 2], 16) for i in (1, 3, 5)]
    assert (picture == red).all(axis=-1).any()
    assert (picture[:, cell_px + GAP_PX // 2] == 255).all()
    with pytest.raises(ValueError, match="steps 0 to"):
        strip_picture(strip, 1000, 300)


def test_the_command_writes_the_picture_of_a_drive(
    results_with_perception, drive_with_perception, repository, monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(repository / "scripts")
    import draw_cameras

    row = drive_with_perception
    chosen = {"results": results_with_perception, "scenario": row.scenario, "planner": row.planner, "width": 200}
    draw_cameras.main(draw_cameras.Arguments(output=tmp_path / "new" / "strip.jpg", time=2.0, **chosen))
    with Image.open(tmp_path / "new" / "strip.jpg") as picture:
        assert picture.width == 200
    with pytest.raises(ValueError, match=r"ends in .jpg or .png, got 'strip.gif'"):
        draw_cameras.main(draw_cameras.Arguments(output=tmp_path / "strip.gif", **chosen))
    with pytest.raises(ValueError, match="No drive of that scenario and planner"):
        draw_cameras.main(draw_cameras.Arguments(output=tmp_path / "strip.jpg", **{**chosen, "planner": "another"}))
