import numpy as np
import pytest

from simulation.viewer.packing import Message, unpack


def test_real_numbers_are_decoded_within_half_a_step_and_nan_stays_nan():
    values = np.array([[1.2345, np.nan, -7.0, 6000.0], [np.nan, np.nan, 0.0005, -0.2]])
    message = Message(name="x")
    message.add_reals("values", values, 0.001)
    header, arrays = unpack(message.to_bytes())
    assert header == {"name": "x"}
    np.testing.assert_array_equal(np.isnan(arrays["values"]), np.isnan(values))
    assert np.nanmax(np.abs(arrays["values"] - values)) <= 0.0005 + 1e-12


def test_integers_are_decoded_exactly():
    message = Message()
    message.add_integers("ids", np.array([7, -1, 2**31 - 1]))
    message.add_integers("none", np.zeros(0, dtype=np.int64))
    _, arrays = unpack(message.to_bytes())
    assert arrays["ids"].tolist() == [7, -1, 2**31 - 1]
    assert arrays["none"].tolist() == []


def test_infinity_is_decoded_as_nan():
    message = Message()
    message.add_reals("time", np.array([np.inf, 1.0]), 0.1)
    assert np.isnan(unpack(message.to_bytes())[1]["time"][0])


def test_numbers_too_large_for_their_scale_are_refused():
    with pytest.raises(ValueError, match=r"x holds 3e\+06, too large for steps of 0.001"):
        Message().add_reals("x", np.array([3e6]), 0.001)
    with pytest.raises(ValueError, match="needs more than 32 bits"):
        Message().add_integers("id", np.array([2**40]))


def test_other_content_is_refused():
    with pytest.raises(ValueError, match="A message starts with CBR1"):
        unpack(b"<html>")
