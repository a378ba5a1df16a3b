"""Notes of an import: one sentence for each kind of value that was left out, changed or assumed.

An importer adds notes while it reads a source. `recording_of` stores them in `Recording.metadata`, so that they
travel with the recording into nuPlan files and the viewer. Rules that hold for every recording of a format are no
notes: they are in docs/importing.md and in the other entries of the metadata.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from driving.names import listed

PREFIX = "import note "
"""Metadata keys of notes start with this."""


class NoteKind(StrEnum):
    """Relation between source and recording that a note describes."""

    LEFT_OUT = "left out"
    """The source has a value that the recording does not hold."""
    CHANGED = "changed"
    """The recording holds another value than the source."""
    ASSUMED = "assumed"
    """The recording holds a value that the source does not have."""
    HINT = "hint"
    """Nothing is lost, but the use of the recording is limited."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence about the difference between source and recording."""

    kind: NoteKind
    sentence: str
    count: int
    """Items to which the sentence applies."""

    @property
    def is_difference(self) -> bool:
        """Whether source and recording differ; a strict import refuses such recordings."""
        return self.kind != NoteKind.HINT

    def __str__(self) -> str:
        return f"{self.kind}{f' ({self.count})' if self.count > 1 else ''}: {self.sentence}"


_TEXT = re.compile(rf"({'|'.join(NoteKind)})(?: \((\d+)\))?: (.*)", re.DOTALL)


class ImportNotes:
    """Collects the notes of one recording. Equal sentences become one note with the number of their items."""

    def __init__(self) -> None:
        self._items: dict[tuple[NoteKind, str], list[str]] = {}
        self._counts: dict[tuple[NoteKind, str], int] = {}

    def add(self, kind: NoteKind, sentence: str, item: str | None = None, count: int = 1) -> None:
        """Add a note.

        Args:
            kind: Relation between source and recording.
            sentence: What happened and why, without the item and without a full stop.
            item: Name of the agent, lane or file, for example a track id.
            count: Number of values of the item, for example of its observations.
        """
        items = self._items.setdefault((kind, sentence), [])
        self._counts[kind, sentence] = self._counts.get((kind, sentence), 0) + count
        if item is not None:
            items.append(item)

    @property
    def notes(self) -> list[Note]:
        """All notes in the order in which they were first added."""
        return [
            Note(kind=kind, sentence=_with_items(sentence, items), count=self._counts[kind, sentence])
            for (kind, sentence), items in self._items.items()
        ]

    @property
    def metadata(self) -> dict[str, str]:
        """The notes as entries for `Recording.metadata`."""
        return {f"{PREFIX}{number:02d}": str(note) for number, note in enumerate(self.notes, start=1)}

    @contextmanager
    def attached_to_errors(self) -> Iterator[None]:
        """Attach the differences noted so far to an error that ends the import: they often are its cause."""
        try:
            yield
        except (OSError, ValueError, LookupError) as error:
            attach_differences(error, self.notes)
            raise


def attach_differences(error: Exception, notes: Iterable[Note]) -> None:
    """Add the notes that are differences to an error (`__notes__`), unless its message has them already."""
    for note in notes:
        if note.is_difference and str(note) not in str(error):
            error.add_note(f"{note}.")


def _with_items(sentence: str, items: list[str]) -> str:
    return f"{sentence}: {listed(items)}" if items else sentence


def is_note(key: str) -> bool:
    """Whether a key of the metadata belongs to a note."""
    return key.startswith(PREFIX)


def notes_of(metadata: Mapping[str, str]) -> list[Note]:
    """The notes in the metadata of a recording."""
    found = [_TEXT.fullmatch(text) for key, text in metadata.items() if is_note(key)]
    return [
        Note(kind=NoteKind(match[1]), count=int(match[2] or 1), sentence=match[3])
        for match in found
        if match is not None
    ]
