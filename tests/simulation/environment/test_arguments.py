import pytest

from simulation.environment.arguments import require_type


def test_the_type_of_an_argument_is_checked():
    require_type("seed", 3, int, "a whole number")
    for wrong, got in ((2.5, "2.5"), (True, "True"), (int, "<class 'int'>"), ("a" * 99, "'aaaaaaaaaaaa")):
        with pytest.raises(TypeError, match=f"`seed` must be a whole number, got {got}"):
            require_type("seed", wrong, int, "a whole number")
