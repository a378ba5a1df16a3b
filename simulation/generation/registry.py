"""Generators of scenarios by name. An entry is a small function that imports what it needs when it is called."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from driving.names import unknown_name
from driving.scenario import Scenario


@runtime_checkable
class ScenarioGenerator(Protocol):
    """Makes scenarios that nobody recorded."""

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario.

        Args:
            seed: The same seed and condition give the same scenario.
            condition: What shall happen in it, in the generator's words; None leaves that to the seed.

        Raises:
            ValueError: When the generator does not know the condition.
        """
        ...


def _town() -> ScenarioGenerator:
    from simulation.generation.town.generator import TownGenerator

    return TownGenerator()


def _corner_case() -> ScenarioGenerator:
    from simulation.generation.corner_cases.generator import CornerCaseGenerator

    return CornerCaseGenerator()


GENERATORS: dict[str, Callable[[], ScenarioGenerator]] = {"town": _town, "corner_case": _corner_case}
"""Name to loader."""


def scenario_generator(name: str) -> ScenarioGenerator:
    """The generator of a name.

    Raises:
        KeyError: When there is none, with the nearest known name.
    """
    if name not in GENERATORS:
        raise KeyError(unknown_name("scenario generator named", name, GENERATORS))
    return GENERATORS[name]()
