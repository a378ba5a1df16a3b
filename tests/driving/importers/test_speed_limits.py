import pytest

from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.speed_limits import is_speed_sign, speed_limit_mps


@pytest.mark.parametrize(
    ("country", "sign"),
    [
        ("DEU", "274"),
        ("DEU", "274.1"),
        ("ZAM", "274"),
        ("USA", "R2-1"),
        ("PRI", "R2-1"),
        ("CHN", "274"),
        ("ESP", "r301"),
        ("ESP", "R301"),
        ("FRA", "B14"),
        ("BEL", "C43"),
        ("HRV", "B31"),
        ("GRC", "\u03a1-32"),
        ("GRC", "P-32"),
        ("RUS", "3.24"),
        ("ARG", "R15"),
        ("ITA", "274"),
        ("ITA", "II.50"),
        ("AUS", "R4-1"),
        # CommonRoad's own files of other countries use the German ids.
        ("ARG", "274"),
        ("FRA", "274"),
        ("ZAM", "R2-1"),
        ("XYZ", "B14"),
    ],
)
def test_speed_limit_signs_of_a_country(country, sign):
    assert is_speed_sign(sign, country)


@pytest.mark.parametrize(
    ("country", "sign"),
    [("DEU", "275"), ("DEU", "R2-1"), ("AUS", "R2-1"), ("USA", "B14"), ("USA", ""), ("DEU", "306")],
)
def test_other_signs_are_no_speed_limits(country, sign):
    assert not is_speed_sign(sign, country)


@pytest.mark.parametrize(
    ("text", "limit_mps"),
    [
        ("13.89", 13.89),
        ("8.333333333333334", 8.333333333333334),
        ("30kmh", 30 / 3.6),
        ("30 km/h", 30 / 3.6),
        ("30KPH", 30 / 3.6),
        ("30 mph", 13.4112),
        ("13,9 m/s", 13.9),
        (" 5 ", 5.0),
        ("1e1", 10.0),
        ("+7.", None),
        ("", None),
        ("fast", None),
        ("30 knots", None),
        ("30 30", None),
        ("nan", None),
        ("inf", None),
        ("0", None),
        ("-5", None),
        ("1e999", None),
    ],
)
def test_limits_with_and_without_unit(text, limit_mps):
    notes = ImportNotes()
    found = speed_limit_mps(text, "sign 7", notes)
    assert found == (None if limit_mps is None else pytest.approx(limit_mps, rel=1e-12))
    assert [note.kind for note in notes.notes] == ([NoteKind.LEFT_OUT] if limit_mps is None else [])


def test_a_limit_that_is_probably_in_kmh_gets_a_hint():
    notes = ImportNotes()
    assert speed_limit_mps("50", "lanelet 3", notes) == 50.0
    assert str(notes.notes[0]) == ("hint: speed limits above 45 m/s (162 km/h), perhaps in km/h: '50' of lanelet 3")
