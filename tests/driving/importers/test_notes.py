import pytest

from driving.importers.notes import ImportNotes, NoteKind, is_note, notes_of


def test_equal_sentences_are_one_note_with_a_count_and_the_first_items():
    notes = ImportNotes()
    for item in "abcde":
        notes.add(NoteKind.LEFT_OUT, "lanes without area", item, count=2)
    notes.add(NoteKind.CHANGED, "lanes without area")
    first, second = notes.notes
    assert str(first) == "left out (10): lanes without area: a, b, c and 2 more"
    assert (second.kind, second.count, str(second)) == (NoteKind.CHANGED, 1, "changed: lanes without area")


def test_notes_are_read_back_from_the_metadata():
    notes = ImportNotes()
    notes.add(NoteKind.ASSUMED, "a value: of 3", "x", count=12)
    notes.add(NoteKind.HINT, "text in\ntwo lines")
    metadata = {"origin": "test", **notes.metadata}
    assert [key for key in metadata if not is_note(key)] == ["origin"]
    assert notes_of(metadata) == notes.notes


def test_only_hints_are_no_difference():
    notes = ImportNotes()
    for kind in NoteKind:
        notes.add(kind, "sentence")
    assert [note.kind for note in notes.notes if not note.is_difference] == [NoteKind.HINT]


def test_an_error_that_ends_the_import_has_the_differences_noted_before():
    notes = ImportNotes()
    notes.add(NoteKind.LEFT_OUT, "lanes without area", "5")
    notes.add(NoteKind.HINT, "short")
    with pytest.raises(KeyError, match="no lane") as caught, notes.attached_to_errors():
        raise KeyError("no lane")
    assert caught.value.__notes__ == ["left out: lanes without area: 5."]


def test_without_notes_the_metadata_has_no_entry():
    assert ImportNotes().metadata == {}
