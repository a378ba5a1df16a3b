"""The weighted part of a score."""

from collections.abc import Mapping
from typing import Any


def weighted_sum(parts: Mapping[str, Any], weights: Mapping[str, float]) -> tuple[Any, float]:
    """Sum of the weighted parts of a score, and the sum of their weights; parts may be numbers, arrays or tensors.

    Args:
        parts: Sub-scores by name; names without a weight are left out.
        weights: By name; names without a part are left out. Their order is the order of summation.

    Raises:
        ValueError: When no name has both.
    """
    names = [name for name in weights if name in parts]
    if not names:
        raise ValueError(f"No part of a score has a weight: parts {sorted(parts)}, weights {sorted(weights)}.")
    return sum(weights[name] * parts[name] for name in names), sum(weights[name] for name in names)
