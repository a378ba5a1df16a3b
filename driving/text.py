"""Text of unknown origin (names, paths, messages of errors) in consoles and reports."""

import re

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, changes of the writing direction, and surrogates, which no file can hold."""


def printable(text: str, *, keeps_lines: bool = False) -> str:
    r"""Text in which characters that change a terminal or forge lines are Python escapes, for example `\x1b`.

    Args:
        text: Any text.
        keeps_lines: Whether newlines stay: for tracebacks and whole documents.
    """
    return _UNPRINTABLE.sub(lambda found: "\n" if keeps_lines and found[0] == "\n" else _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
