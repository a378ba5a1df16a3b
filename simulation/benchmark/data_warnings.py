"""Warnings about unusable records of logs and maps, brought from workers to the main process and logged once."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_READERS = logging.getLogger("driving")


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@contextmanager
def collected_warnings(lines: list[str], *, propagate: bool = False) -> Iterator[None]:
    """Append warnings of the package `driving` to `lines`; they are also logged only when `propagate` is set."""
    collector, before = _Collector(lines), _READERS.propagate
    _READERS.addHandler(collector)
    _READERS.propagate = propagate
    try:
        yield
    finally:
        _READERS.removeHandler(collector)
        _READERS.propagate = before
