"""Checks of the types of arguments."""

import reprlib
from typing import Any

import numpy as np


def require_type(name: str, value: object, kinds: Any, expected: str) -> None:
    """Check the type of an argument.

    Args:
        name: For the message.
        value: What was passed.
        kinds: As for `isinstance`. A class is never accepted in place of its instance, nor a truth value as a number.
        expected: For the message.

    Raises:
        TypeError: Names what was expected and what came.
    """
    if not isinstance(value, kinds) or isinstance(value, type | bool):
        raise TypeError(f"`{name}` must be {expected}, got {reprlib.repr(value)}.")


def require_seed(name: str, value: Any) -> int:
    """A seed as an integer.

    Args:
        name: For the message.
        value: What was passed.

    Raises:
        TypeError: When it is no whole number.
        ValueError: When it is negative.
    """
    expected = "a whole number from 0"
    require_type(name, value, (int, np.integer), expected)
    if (seed := int(value)) < 0:
        raise ValueError(f"`{name}` must be {expected}, got {seed}.")
    return seed
