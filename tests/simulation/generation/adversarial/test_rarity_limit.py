import pytest

from simulation.generation.adversarial.rarity_limit import is_too_rare


@pytest.mark.parametrize(("percentile", "refused"), [(None, False), (0.0, False), (99.49, False), (99.5, True)])
def test_agents_from_the_limit_on_are_too_rare(percentile, refused):
    assert is_too_rare(percentile) == refused
