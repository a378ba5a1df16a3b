"""Speed limits as sources write them: numbers with and without unit, and the speed limit signs of CommonRoad.

Source of the sign ids:
    `commonroad/scenario/traffic_sign.py` of commonroad-io, `MAX_SPEED` and `MAX_SPEED_ZONE_START` of each country.
    National sign ids are added for countries where commonroad-io has a placeholder or no id (Australia, China,
    Italy), and for the speed limit zones of Australia, Belgium, France, Russia and Spain.
"""

import re

from driving.importers.notes import ImportNotes, NoteKind

UNITS_MPS = {
    "": 1.0,
    "m/s": 1.0,
    "mps": 1.0,
    "ms-1": 1.0,
    "km/h": 1 / 3.6,
    "kmh": 1 / 3.6,
    "kph": 1 / 3.6,
    "kmph": 1 / 3.6,
    "mph": 0.44704,
    "mi/h": 0.44704,
}
"""Metres per second in a unit. A number without unit is in m/s, as CommonRoad and track archives define."""

GERMAN_SIGNS = frozenset({"274", "274.1"})
"""Speed limit and start of a speed limit zone. CommonRoad's default ids, used in files of every country."""

COUNTRY_SIGNS = {
    "ARG": {"R15"},
    "AUS": {"R4-1", "R4-10"},
    "BEL": {"C43", "F4A"},
    "CHN": {"禁38"},
    "DEU": set(),
    "ESP": {"R301", "R-301", "S-30"},
    "FRA": {"B14", "B30"},
    # With a Greek and with a Latin letter.
    "GRC": {"Ρ-32", "P-32"},
    "HRV": {"B31"},
    "ITA": {"II.50"},
    "PRI": {"R2-1"},
    "RUS": {"3.24", "5.31"},
    "USA": {"R2-1"},
}
"""Upper-case ids of the speed limit signs of a country besides the default ids."""

ALL_SIGNS = GERMAN_SIGNS.union(*COUNTRY_SIGNS.values())
"""Zamunda, CommonRoad's fictional country, and countries without a table accept the ids of all countries."""

SUSPICIOUS_MPS = 45.0
"""A limit above 162 km/h is noted: it is probably a number in km/h without its unit."""

_NUMBER_AND_UNIT = re.compile(r"([+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-z/0-9-]*)")


def is_speed_sign(sign_id: str, country: str) -> bool:
    """Whether a traffic sign is a speed limit.

    Args:
        sign_id: As in the file.
        country: Three letters, as in CommonRoad's benchmark ids.
    """
    signs = COUNTRY_SIGNS.get(country, ALL_SIGNS)
    return sign_id.upper() in GERMAN_SIGNS | signs


def speed_limit_mps(text: str, where: str, notes: ImportNotes) -> float | None:
    """A speed limit in m/s; None, with a note, when the text holds none.

    Args:
        text: A number and a unit: "13.89", "30kmh", "30 mph". Without unit it is in m/s.
        where: Name of the sign or lane, for the note.
        notes: Receives texts that are no speed, and limits that are suspiciously high.
    """
    match = _NUMBER_AND_UNIT.fullmatch(text.strip().lower())
    unit_mps = UNITS_MPS.get(match[2]) if match is not None else None
    if match is None or unit_mps is None:
        notes.add(NoteKind.LEFT_OUT, "speed limits that are no number with a known unit", f"{text!r} of {where}")
        return None
    limit_mps = float(match[1].replace(",", ".")) * unit_mps
    if not 0.0 < limit_mps < float("inf"):
        notes.add(NoteKind.LEFT_OUT, "speed limits that are not above 0", f"{text!r} of {where}")
        return None
    if limit_mps > SUSPICIOUS_MPS:
        notes.add(NoteKind.HINT, "speed limits above 45 m/s (162 km/h), perhaps in km/h", f"{text!r} of {where}")
    return limit_mps
