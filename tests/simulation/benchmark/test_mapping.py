import math
from fractions import Fraction

import pytest

from simulation.benchmark.mapping import BACKENDS, mapped


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_come_in_the_order_of_the_jobs_and_errors_as_they_are(backend):
    assert list(mapped(math.sqrt, [9.0, 1.0, 4.0, 0.0, 16.0], backend, workers=1)) == [3.0, 1.0, 2.0, 0.0, 4.0]
    with pytest.raises(ValueError, match="Invalid literal for Fraction: 'x'"):
        list(mapped(Fraction, ["1/2", "x"], backend, workers=1))


def test_results_are_made_while_they_are_read():
    made = mapped(math.sqrt, [4.0, -1.0], "serial")
    assert next(made) == 2.0
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative input"):
        next(made)


def test_an_unknown_backend_and_no_worker_are_refused():
    with pytest.raises(KeyError, match=r"No backend 'rey'. Did you mean 'ray'"):
        mapped(math.sqrt, [], "rey")
    with pytest.raises(ValueError, match="at least 1 worker, got 0"):
        mapped(math.sqrt, [], "process", workers=0)
