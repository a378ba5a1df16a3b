"""Checks of the types of arguments."""

import reprlib
from typing import Any


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
