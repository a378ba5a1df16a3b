"""The weighted part of a score."""

import numpy as np
import pytest

from simulation.metrics.weighting import weighted_sum


def test_parts_are_weighted_by_name():
    total, weight = weighted_sum({"progress": 0.5, "comfort": 1.0, "unused": 9.0}, {"progress": 5.0, "comfort": 2.0})
    assert (total, weight) == (4.5, 7.0)


def test_a_weight_without_a_part_is_left_out_of_both_sums():
    parts = {"progress": np.array([0.0, 1.0], dtype=np.float32)}
    total, weight = weighted_sum(parts, {"progress": 5.0, "comfort": 2.0})
    assert total.tolist() == [0.0, 5.0]
    assert total.dtype == np.float32
    assert weight == 5.0


def test_without_any_common_name_both_are_listed():
    with pytest.raises(ValueError, match=r"parts \['a'\], weights \['b'\]"):
        weighted_sum({"a": 1.0}, {"b": 1.0})
