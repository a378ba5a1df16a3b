import numpy as np
import pytest

from simulation.traffic.learned.decisions import Deciding, Draws, Style, decide
from simulation.traffic.learned.paths import Paths
from simulation.traffic.learned.state import FORECAST_POSES, forecasts, no_users
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2

MOTIONS = np.array([[0.0, 0.0, 0.0], [0.7, 0.0, 0.0], [1.4, 0.0, 0.0]], dtype=np.float32)


def choose(*, lead_m=None, style=None, seed=0, is_idm=False, logits=None, is_free=False, speed=8.0):
    """The decision of one agent on a straight road, with a standing car `lead_m` ahead of its centre."""
    users = [(0.0, speed), (lead_m if lead_m is not None else 5e3, 0.0), (-5e3, 0.0)]
    vertices = np.array([[-20.0, 0.0, 0.0, 0.0, 10.0], [980.0, 0.0, 0.0, 1000.0, 10.0]])
    none = np.zeros(0)
    paths = Paths(
        np.array([0, 2, 2]),
        vertices,
        np.zeros(3, dtype=np.int64),
        none,
        none.astype(np.int64),
        none.astype(np.int8),
        np.ones(2, dtype=bool),
    )
    state = no_users(3, 1)
    state.present[:] = True
    for row, (x, own_speed) in enumerate(users):
        state.poses[row], state.sizes[row], state.speed[row] = (x, 0.0, 0.0), (4.0, 2.0), own_speed
        state.velocities[row] = own_speed, 0.0
    state.progress[0] = np.nan if is_free else 20.0
    expected = np.zeros((3, FORECAST_POSES, 3))
    forecasts(paths, state, expected)
    rng = np.random.default_rng(seed)
    draws = Draws(
        rng.gumbel(size=(1, len(ACCELERATIONS_MPS2))), rng.uniform(size=1), rng.gumbel(size=(1, 3)).astype(np.float32)
    )
    deciding = Deciding(np.array([0]), np.array([is_free]), np.array([is_idm]))
    wanted = np.zeros((1, len(ACCELERATIONS_MPS2)), dtype=np.float32) if logits is None else logits
    tokens = np.zeros((1, 3), dtype=np.float32)
    choice = decide(paths, (state, expected), deciding, (wanted, tokens, MOTIONS), (draws, style or Style(1.0, 0.0)))
    return choice, expected


def mean_acceleration(**options):
    return np.mean([choose(seed=seed, **options)[0].accelerations[0] for seed in range(60)])


def test_the_network_decides_where_all_is_safe():
    logits = np.full((1, len(ACCELERATIONS_MPS2)), -50.0, dtype=np.float32)
    logits[0, 5] = 0.0
    choice, _ = choose(logits=logits)
    assert choice.accelerations[0] == pytest.approx(ACCELERATIONS_MPS2[5], abs=0.3)


def test_unsafe_choices_are_not_granted():
    logits = np.full((1, len(ACCELERATIONS_MPS2)), -50.0, dtype=np.float32)
    logits[0, -1] = 0.0
    choice, _ = choose(logits=logits, lead_m=13.0)
    assert choice.accelerations[0] < 0.0


def test_aggressiveness_shifts_accelerations():
    calm, plain, harsh = (mean_acceleration(style=Style(1.0, level)) for level in (-1.0, 0.0, 1.0))
    assert calm < plain - 0.5
    assert harsh > plain + 0.5


def test_a_low_temperature_prefers_the_likeliest():
    logits = -np.abs(ACCELERATIONS_MPS2[np.newaxis] - 1.1).astype(np.float32)
    cold = [choose(logits=logits, seed=seed, style=Style(0.05, 0.0))[0].accelerations[0] for seed in range(20)]
    np.testing.assert_allclose(cold, 1.1, atol=0.4)


def test_the_driver_model_needs_no_network():
    assert choose(is_idm=True)[0].accelerations[0] > 0.0
    assert choose(is_idm=True, lead_m=25.0)[0].accelerations[0] < -1.0


def test_a_decision_replaces_the_forecast():
    logits = np.full((1, len(ACCELERATIONS_MPS2)), -50.0, dtype=np.float32)
    logits[0, 0] = 0.0
    _, expected = choose(logits=logits)
    assert expected[0, -1, 0] == pytest.approx(8.0**2 / (2 * 8.0), abs=0.2)


def test_an_agent_without_path_draws_motions():
    drawn = {float(choose(is_free=True, seed=seed, speed=1.0)[0].motions[0, 0]) for seed in range(20)}
    assert drawn == {float(motion) for motion in MOTIONS[:, 0]}


def test_an_agent_without_path_stays_where_every_step_overlaps():
    found = [choose(is_free=True, seed=seed, lead_m=4.3, speed=0.0)[0].motions[0, 0] for seed in range(10)]
    assert found == [0.0] * 10


def test_equal_draws_give_equal_choices():
    first, second = choose(seed=5)[0], choose(seed=5)[0]
    assert first.accelerations[0] == second.accelerations[0]
