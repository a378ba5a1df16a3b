import pytest

from simulation.benchmark.outcome import killed_sentence


@pytest.mark.parametrize(
    ("timeout_s", "num_jobs", "sentence"),
    [
        (3.0, 1, "The worker was killed after 3 s over one scenario."),
        (2.5, 4, "The worker was killed after 10 s over 4 scenarios in lockstep."),
    ],
)
def test_the_limit_of_a_batch_is_that_of_its_scenarios_together(timeout_s, num_jobs, sentence):
    assert killed_sentence(timeout_s, num_jobs) == sentence
