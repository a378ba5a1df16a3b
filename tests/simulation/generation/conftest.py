import pytest

from simulation.generation.town.generator import generate_town, simulate_town
from simulation.generation.town.layout import small_town

SEED = 2


@pytest.fixture(scope="session")
def settings():
    return small_town()


@pytest.fixture(scope="session")
def observed(settings):
    """A small town with its traffic."""
    return simulate_town(SEED, settings)


@pytest.fixture(scope="session")
def recordings(settings):
    """What was recorded in it."""
    return generate_town(SEED, settings)
