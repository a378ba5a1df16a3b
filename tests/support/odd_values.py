"""Instances created without the type check of the test run, as in a user's program."""

from typing import Any, TypeVar

Made = TypeVar("Made")


def made_without_type_check(cls: type[Made], **values: Any) -> Made:
    """What `cls(**values)` does when no test runs."""
    made = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    made.__post_init__()  # type: ignore[attr-defined]
    return made
