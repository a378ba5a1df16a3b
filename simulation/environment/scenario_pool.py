"""The scenarios of an environment: hand-made scenes, a data root, or opened scenarios that are passed in."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from driving.names import MAX_LISTED, unknown_name
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry, scenario_window
from driving.nuplan.logs import log_index
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.scenario import Scenario
from driving.synthetic.scenes import SCENES, scene
from simulation.environment.arguments import require_type

logger = logging.getLogger(__name__)

MAX_OPENED = 64
"""Scenarios that stay open, some MB each."""


class ScenarioPool:
    """Scenarios by name; a name is the scenario id, for hand-made scenes also the name of the scene."""

    def __init__(self, openers: Mapping[str, Callable[[], Scenario]]) -> None:
        """Prepare the pool; nothing is opened yet.

        Args:
            openers: By name, in the order of the pool.

        Raises:
            ValueError: When there is no scenario.
        """
        if not openers:
            raise ValueError("An environment needs at least one scenario, got none.")
        self.names = tuple(openers)
        self._openers = dict(openers)
        self._opened = lru_cache(maxsize=MAX_OPENED)(self._open)

    def __getstate__(self) -> dict[str, Any]:
        # A copy in another process opens its scenarios itself.
        return {"_openers": self._openers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_openers"])  # type: ignore[misc]

    def _open(self, name: str) -> Scenario:
        return self._openers[name]()

    def name_of(self, text: str) -> str:
        """The name that a text means: a name of the pool, or the id of a scenario with another name.

        Raises:
            KeyError: When the pool has no such scenario.
        """
        if text in self._openers:
            return text
        # Ids of hand-made scenes are known once these are built.
        for name in self.names if set(self.names) <= set(SCENES) else ():
            if self.open(name).scenario_id == text:
                return name
        raise KeyError(self._unknown(text))

    def open(self, name: str) -> Scenario:
        """A scenario, by a name of the pool.

        Raises:
            FileNotFoundError: When the log or the map is not there.
            ValueError: When the scenario is cut off, or the log or map is damaged.
        """
        return self._opened(name)

    def only(self, texts: Sequence[str]) -> "ScenarioPool":
        """The pool of some of the scenarios.

        Raises:
            KeyError: When the pool lacks one.
        """
        return ScenarioPool({name: self._openers[name] for name in map(self.name_of, texts)})

    def _unknown(self, text: str) -> str:
        if len(self.names) <= 3 * MAX_LISTED:
            return unknown_name("scenario named", text, self.names)
        near = unknown_name("scenario named", text, self.names).split(" Known:")[0]
        return f"{near} The environment has {len(self.names)} scenarios, see `env.unwrapped.scenario_names`."


def scenario_pool(
    data: Path | str | None, scenarios: Iterable[str | Scenario] | ScenarioPool | None = None
) -> ScenarioPool:
    """The scenarios of a data root, or the hand-made scenes; all of them or a selection.

    Args:
        data: nuPlan data root; None for the hand-made scenes.
        scenarios: Names to choose, or opened scenarios or a pool that replace those of the data root; None for all.

    Raises:
        FileNotFoundError: When the data root has no logs or no maps.
        KeyError: When a name is unknown.
        TypeError: When `data` is no path, or `scenarios` is a text or no list.
        ValueError: When no scenario is left, names and opened scenarios are mixed, two opened scenarios have one id,
            or a pool is given with `data`.
    """
    require_type("data", data, (str, os.PathLike, type(None)), "the path of a nuPlan data root, or None")
    if isinstance(scenarios, ScenarioPool):
        if data is not None:
            raise ValueError("Give a pool of scenarios alone: without data.")
        return scenarios
    # A text would be read as a list of letters.
    if isinstance(scenarios, str):
        raise TypeError(f"`scenarios` must be a list of names or of Scenarios, got a text: use [{scenarios!r}].")
    require_type("scenarios", scenarios, (Iterable, type(None)), "a list of names or of Scenarios, or None")
    given = None if scenarios is None else tuple(scenarios)
    opened = [one for one in given or () if isinstance(one, Scenario)]
    if given is not None and opened:
        if len(opened) < len(given) or data is not None:
            raise ValueError("Give opened scenarios alone: without names, and without data.")
        by_id = {one.scenario_id: one for one in opened}
        if any(by_id[one.scenario_id] is not one for one in opened):
            raise ValueError(f"Opened scenarios need ids of their own, got {len(opened)} with {len(by_id)} ids.")
        return ScenarioPool({name: partial(_same, one) for name, one in by_id.items()})
    openers: dict[str, Callable[[], Scenario]]
    if data is None:
        openers = {name: partial(scene, name) for name in SCENES}
    else:
        entries = list_scenarios(DataRoot.find(data))
        # Those that are named are opened and tell themselves what is wrong with them.
        chosen = _complete(entries) if given is None else entries
        openers = {entry.token: partial(open_scenario, entry) for entry in chosen}
    pool = ScenarioPool(openers)
    return pool if given is None else pool.only([str(one) for one in given])


def _complete(entries: Sequence[ScenarioEntry]) -> list[ScenarioEntry]:
    """The entries that the end of their log does not cut off; a warning counts the others, as the benchmark does."""
    # Log by log, as few of them are kept in memory.
    short = {
        entry.token
        for entry in sorted(entries, key=lambda entry: entry.log_file)
        if scenario_window(log_index(Path(entry.log_file)), entry).is_short
    }
    kept = [entry for entry in entries if entry.token not in short]
    if len(kept) < len(entries):
        logger.warning(
            "%d of %d scenarios are cut off by the end of their log and left out.",
            len(entries) - len(kept),
            len(entries),
        )
    return kept


def _same(scenario: Scenario) -> Scenario:
    return scenario
