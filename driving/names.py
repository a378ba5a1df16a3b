"""The sentence about a name that is not in a registry."""

from collections.abc import Collection
from difflib import get_close_matches


def unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """The sentence about an unknown name, with the nearest known name.

    Args:
        kind: What is named, as it follows "No": "planner named".
        name: The unknown name.
        known: All known names.
    """
    near = get_close_matches(name, known, n=1, cutoff=0.0)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"No {kind} {name!r}.{hint} Known: {sorted(known)}."
