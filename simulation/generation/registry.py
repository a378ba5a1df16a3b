"""Generators of scenarios by name. A registry entry imports its generator when it is called."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from driving.names import unknown_name
from driving.scenario import Scenario


@runtime_checkable
class ScenarioGenerator(Protocol):
    """Generates scenarios from seeds."""

    def generate(self, seed: int, condition: str | None = None) -> Scenario:
        """One scenario.

        Args:
            seed: Equal seeds and conditions give equal scenarios.
            condition: The wanted situation, in the generator's terms; None leaves the choice to the seed.

        Raises:
            ValueError: For an unknown condition.
        """
        ...


def _town() -> ScenarioGenerator:
    from simulation.generation.town.generator import TownGenerator

    return TownGenerator()


def _corner_case() -> ScenarioGenerator:
    from simulation.generation.corner_cases.generator import CornerCaseGenerator

    return CornerCaseGenerator()


def _text() -> ScenarioGenerator:
    from simulation.generation.text.realisation import TextGenerator

    return TextGenerator()


def _learned() -> ScenarioGenerator:
    from simulation.generation.learned.generator import LearnedGenerator

    return LearnedGenerator()


GENERATORS: dict[str, Callable[[], ScenarioGenerator]] = {
    "town": _town,
    "corner_case": _corner_case,
    "text": _text,
    "learned": _learned,
}
"""Loader by name."""


def scenario_generator(name: str) -> ScenarioGenerator:
    """The generator of a name.

    Raises:
        KeyError: For an unknown name, with the nearest known one.
    """
    if name not in GENERATORS:
        raise KeyError(unknown_name("scenario generator named", name, GENERATORS))
    return GENERATORS[name]()
