"""The scenarios of a run, and an account of those that were requested and are not driven."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry, scenario_window, short_sentence
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.logs import log_index
from driving.nuplan.scenarios import select_scenarios
from driving.nuplan.selection_counts import ConditionCount, Selection
from simulation.benchmark.settings import BenchmarkSettings

MIN_FRAMES = 5
"""Frames that a scenario needs: comfort is measured by a polynomial of order 3 over at least 4 driven steps."""
LISTED_REASONS = 20
"""Reasons for left-out logs and scenarios that a report quotes; it counts all of them."""


@dataclass(frozen=True, kw_only=True)
class RunScenarios:
    """What a run drives, and what it leaves out."""

    entries: tuple[ScenarioEntry, ...]
    selection: Selection
    """What the filter selected."""
    short: tuple[str, ...] = ()
    """A sentence per scenario that the end of its log cuts off; they are driven when `allow_short` is set."""
    allow_short: bool = False
    too_short: tuple[str, ...] = ()
    """A sentence per scenario of fewer than `MIN_FRAMES` frames; they are never driven."""
    log_errors: tuple[str, ...] = ()
    """A sentence per log that cannot be read."""
    num_repeated: int = 0
    """Scenarios whose token another log of the data holds too, for example a renamed copy."""
    over_limit: int = 0
    """Scenarios behind the limit of the run."""

    @property
    def num_left_out(self) -> int:
        """Logs and scenarios that are left out although the request covers them."""
        num_short = 0 if self.allow_short else len(self.short)
        return len(self.log_errors) + len(self.too_short) + self.num_repeated + num_short

    def as_dict(self) -> dict[str, Any]:
        """For `run.json` and the reports: counts, and `lines` as sentences."""
        return {
            "conditions": [
                {"condition": one.condition, "removed": one.removed, "left": one.left, "unit": one.unit}
                for one in self._counts()
            ],
            "missing": [
                {"condition": one.condition, "requested": one.requested, "names": list(one.names)}
                for one in self.selection.missing
            ],
            "short": len(self.short),
            "allow_short": self.allow_short,
            "unreadable_logs": len(self.log_errors),
            "left_out": self.num_left_out,
            "lines": self.lines(),
        }

    def lines(self) -> list[str]:
        """What was lost between the request and the result; empty when nothing was."""
        lines = list(self.selection.sentences)
        lines += [count.sentence for count in self._counts()[len(self.selection.counts) :] if count.removed]
        if self.log_errors:
            lines.append(f"{_number(len(self.log_errors), 'log')} cannot be read (left out):")
            lines += self.log_errors[:LISTED_REASONS]
        if self.short and self.allow_short:
            lines.append(f"{_number(len(self.short), 'scenario')} cut off by the end of a log (driven that far).")
        elif self.short:
            lines.append(f"{_number(len(self.short), 'scenario')} cut off by the end of a log (left out):")
            lines += self.short[:LISTED_REASONS]
        if self.too_short:
            lines.append(f"{_number(len(self.too_short), 'scenario')} too short for a score (left out):")
            lines += self.too_short[:LISTED_REASONS]
        if self.num_repeated:
            lines.append(f"{_number(self.num_repeated, 'scenario')} with the token of another one (left out).")
        return lines

    def _counts(self) -> tuple[ConditionCount, ...]:
        left = len(self.entries)
        if not self.over_limit:
            return self.selection.counts
        return (*self.selection.counts, ConditionCount(condition="limit", removed=self.over_limit, left=left))


def list_run(settings: BenchmarkSettings) -> RunScenarios:
    """List the scenarios of a run. Logs that cannot be read are left out; so are short scenarios, unless allowed.

    Raises:
        FileNotFoundError: When there are no logs, no maps, or no such filter.
        ValueError: When no scenario is left.
    """
    root = DataRoot.find(settings.data, settings.maps)
    chosen = None if settings.filter is None else ScenarioFilter.from_yaml(settings.filter)
    selection = select_scenarios(root, chosen)
    selection.require_scenarios()
    unique = list({entry.token: entry for entry in reversed(selection.entries)}.values())[::-1]
    lengths, errors = _lengths(unique)
    log_errors = (*(str(error) for error in selection.log_errors), *errors.values())
    too_short = {
        entry: _too_short_sentence(entry, there) for entry, (there, _) in lengths.items() if there < MIN_FRAMES
    }
    short = {
        entry: short_sentence(entry, there, expected)
        for entry, (there, expected) in lengths.items()
        if MIN_FRAMES <= there < expected
    }
    left_out = set(too_short) | (set() if settings.allow_short else set(short))
    readable = [entry for entry in unique if entry in lengths and entry not in left_out]
    if not readable:
        reasons = [*log_errors, *short.values(), *too_short.values()]
        raise ValueError(f"None of {len(selection.entries)} scenarios can be driven. {reasons[0]}")
    entries = readable[: settings.limit]
    driven = set(entries)
    return RunScenarios(
        entries=tuple(entries),
        selection=selection,
        short=tuple(text for entry, text in short.items() if not settings.allow_short or entry in driven),
        allow_short=settings.allow_short,
        too_short=tuple(too_short.values()),
        log_errors=log_errors,
        num_repeated=len(selection.entries) - len(unique),
        over_limit=len(readable) - len(entries),
    )


def _lengths(
    entries: Sequence[ScenarioEntry],
) -> tuple[dict[ScenarioEntry, tuple[int, int]], dict[str, str]]:
    """Frames, and expected frames, of the entries of readable logs; the errors of unreadable logs by file."""
    lengths: dict[ScenarioEntry, tuple[int, int]] = {}
    errors: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.log_file):
        if entry.log_file in errors:
            continue
        try:
            window = scenario_window(log_index(Path(entry.log_file)), entry)
        except (OSError, ValueError) as error:
            errors[entry.log_file] = str(error)
            continue
        lengths[entry] = len(window.frames), window.expected_frames
    return lengths, errors


def _too_short_sentence(entry: ScenarioEntry, frames: int) -> str:
    return f"Scenario {entry.token} of log {entry.log_name} has {frames} of at least {MIN_FRAMES} frames."


def _number(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
