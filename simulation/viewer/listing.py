"""The list of the page, as JSON."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from simulation.scenario_notes import ScenarioNotes
from simulation.viewer.rows import DriveRow
from simulation.viewer.source import Source


def listing(sources: Sequence[Source]) -> dict[str, Any]:
    """The list of the page: facts about each source, and the rows of all sources as columns by name.

    Columns instead of one object per row halve the message: 0.83 MB instead of 1.57 MB for 2,000 drives.
    """
    described: list[dict[str, Any]] = []
    rows: list[tuple[str, DriveRow]] = []
    noted: list[dict[str, Any]] = []
    for source in sources:
        try:
            found = source.rows()
            rows.extend((source.name, row) for row in found)
            noted += cards(source, found)
            error = ""
        except (OSError, ValueError) as problem:
            error = str(problem)
        described.append({"name": source.name, "error": error, **source.facts()})
    return {"sources": described, "rows": columns_of(rows), "notes": noted}


def cards(source: Source, rows: Sequence[DriveRow]) -> list[dict[str, Any]]:
    """The notes of a source's scenarios, for the list of the page; those with a failure are in the gallery.

    `key` is the drive that a card opens: that of the planner in the notes, else the worst drive of the scenario.
    """
    by_scenario: dict[str, list[DriveRow]] = {}
    for row in rows:
        by_scenario.setdefault(row.scenario, []).append(row)
    found = []
    for notes in source.notes.all():
        drives = by_scenario.get(notes.scenario_id)
        if drives:
            drive = _drive_of(notes, drives)
            rarity = notes.rarity.get(notes.track_id)
            found.append(
                {
                    "source": source.name,
                    "key": drive.key,
                    "scenario": notes.scenario_id,
                    "scenario_type": drive.scenario_type,
                    "mode": notes.mode,
                    "planner": notes.planner or drive.planner,
                    "failure": notes.failure,
                    "failure_s": notes.failure_s,
                    "is_solvable": notes.is_solvable,
                    "surprise_s": notes.surprise_visible_s,
                    "latest_start_s": notes.latest_start_s,
                    "rarity": rarity,
                    "seed": notes.seed,
                }
            )
    return found


def _drive_of(notes: ScenarioNotes, drives: Sequence[DriveRow]) -> DriveRow:
    """The drive that shows the failure."""
    return min(drives, key=lambda row: (not row.has_log, row.planner != notes.planner, row.sort_score))


def listing_of(rows: Sequence[tuple[str, DriveRow]], noted: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The list of some rows and cards, without notices and runs of their sources, for a saved page."""
    names = dict.fromkeys(name for name, _ in rows)
    sources: list[dict[str, Any]] = [{"name": name, "error": "", "notices": [], "run": None} for name in names]
    return {"sources": sources, "rows": columns_of(rows), "notes": list(noted)}


def columns_of(rows: Sequence[tuple[str, DriveRow]]) -> dict[str, Any]:
    """Columns of rows, each with the name of its source; `metrics` holds one column per metric.

    `sort_score` is the key of the worst-first order, see `DriveRow.sort_score`. `reasons` holds one sentence per lost
    metric, with the time of its first violation.
    """
    plain = ("key", "scenario", "scenario_type", "log_name", "planner", "traffic", "status", "reason", "has_log")
    return {
        "source": [name for name, _ in rows],
        **{column: [getattr(row, column) for _, row in rows] for column in plain},
        "score": [_finite(row.score) for _, row in rows],
        "sort_score": [_finite(row.sort_score) for _, row in rows],
        "metrics": {
            metric: [_finite(row.metrics.get(metric)) for _, row in rows]
            for metric in sorted({metric for _, row in rows for metric in row.metrics})
        },
        "reasons": [
            [
                {"metric": metric, "time_s": row.violation_times_s.get(metric), "text": text}
                for metric, text in row.sentences.items()
            ]
            for _, row in rows
        ],
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else round(float(value), 6)


def as_json(content: Any) -> bytes:
    """Compact JSON.

    Raises:
        ValueError: When a number is not finite: JSON has no such numbers.
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
