import pickle
from decimal import Decimal

import numpy as np
import pytest

from driving.nuplan.safe_pickle import decode_numbers


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        [],
        [1.5, -2.0, 0.0],
        [1, -1, 70_000, 2**40, True],
        [[1500.5, 0, 960.0], [0, 1500.5, 560.0], [0, 0, 1]],
        [0.0] * 5,
        [[1, 2], [], [3]],
    ],
)
def test_lists_of_numbers_are_decoded_from_every_protocol(value, protocol):
    assert decode_numbers(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tuples_are_decoded_as_lists(protocol):
    assert decode_numbers(pickle.dumps([(1.0,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ()], protocol)) == [
        *([1.0], [1, 2], [1, 2, 3], [1, 2, 3, 4], [])
    ]


class Intruder:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of a stranger ran')",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [Intruder(), [Intruder()], np.zeros(3), [np.float64(1.0)], Decimal(1), ["text"], [b"bytes"], {"a": 1}, [{1}]],
)
def test_anything_else_is_refused(value, protocol):
    with pytest.raises(ValueError, match=r"more than numbers and lists .* could run code"):
        decode_numbers(pickle.dumps(value, protocol))


@pytest.mark.parametrize("blob", [b"", b"\x80\x04", b".", b"]a.", b"\x80\x04\x95\xff", b"e.", b"h\x07.", b"(."])
def test_damaged_pickles_are_refused(blob):
    with pytest.raises(ValueError, match=r"damaged|holds"):
        decode_numbers(blob)


def test_a_bare_number_is_no_list():
    with pytest.raises(ValueError, match="holds float, expected a list"):
        decode_numbers(pickle.dumps(1.5))


def test_a_list_that_holds_itself_ends():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="deeper than 4"):
        decode_numbers(pickle.dumps(endless))


def test_a_small_pickle_of_a_huge_list_ends():
    row = [0.0]
    for _ in range(3):
        row = [row] * 1000
    with pytest.raises(ValueError, match="more than 4096 numbers"):
        decode_numbers(pickle.dumps(row))


def test_a_large_blob_is_refused():
    with pytest.raises(ValueError, match="is no calibration"):
        decode_numbers(pickle.dumps([0.5] * 20_000))
