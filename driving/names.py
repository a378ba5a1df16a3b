"""Names in sentences: an unknown name, and the first of many."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_LISTED = 3
"""Items that a sentence lists before it gives only their number."""


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


def listed(items: Iterable[object]) -> str:
    """The first items and the number of further ones: `a, b, c and 4 more`."""
    texts = [str(item) for item in items]
    more = len(texts) - MAX_LISTED
    return ", ".join(texts[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
