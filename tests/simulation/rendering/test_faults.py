"""Camera faults and their text."""

import numpy as np
import pytest

from simulation.rendering.faults import CameraFault, parse_fault, require_known_cameras


@pytest.mark.parametrize(
    "text", ["CAM_F0:black", "CAM_F0:frozen:3-6", "CAM_F0:late=0.5", "a b:nan:2.5-", "x:missing:0-4"]
)
def test_a_fault_is_its_text(text):
    assert str(parse_fault(text)) == text


def test_times_and_delay_are_read():
    assert parse_fault("CAM_F0:late=0.5:3-6") == CameraFault(
        camera="CAM_F0", kind="late", start_s=3.0, end_s=6.0, delay_s=0.5
    )
    assert parse_fault("CAM_F0:black").end_s == np.inf


@pytest.mark.parametrize(("time_s", "is_active"), [(2.9, False), (3.0, True), (5.9, True), (6.0, False)])
def test_a_fault_lasts_from_its_start_to_before_its_end(time_s, is_active):
    assert parse_fault("CAM_F0:nan:3-6").is_active(time_s) == is_active


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("CAM_F0", "CAMERA:KIND"),
        ("CAM_F0:blak", "No camera fault named 'blak'. Did you mean 'black'"),
        ("CAM_F0:black:6-3", "must start before it ends"),
        ("CAM_F0:late", "a late camera needs a positive one"),
        ("CAM_F0:black=2", "other faults have none"),
    ],
)
def test_a_wrong_text_is_a_sentence_with_examples(text, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        parse_fault(text)
    assert "Examples: 'CAM_F0:black'" in str(error.value)


def test_a_fault_of_an_unknown_camera_is_refused():
    with pytest.raises(ValueError, match=r"No camera named 'CAM_FO'. Did you mean 'CAM_F0'"):
        require_known_cameras([parse_fault("CAM_FO:black")], ("CAM_F0", "CAM_B0"))
