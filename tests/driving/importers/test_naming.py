import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes


@pytest.mark.parametrize("name", ["scene-0061", "USA_Lanker-1_3_T-1", "2021.05.12+x"])
def test_file_names_stay_as_they_are(name):
    notes = ImportNotes()
    assert file_name(name, notes) == name
    assert notes.notes == []


@given(st.text(max_size=30))
def test_every_text_becomes_a_file_name_of_nuplan(text):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", file_name(text, ImportNotes()))


def test_different_names_stay_different():
    notes = ImportNotes()
    names = ["drive ä", "drive ö", "drive /", "drive..", "", "../drive", "x.gpkg", "💥"]
    assert len({file_name(name, notes) for name in names}) == len(names)
    assert "'drive ä' is drive---" in notes.notes[0].sentence
