import numpy as np
import pytest
from adversarial_cases import causal, screen_of, straight_course, straight_scenario

from simulation.generation.adversarial.manoeuvres import attacks_of
from simulation.generation.adversarial.results import SearchSettings
from simulation.generation.adversarial.trackers import AttackTracker

SETTINGS = SearchSettings(population=6, drives_per_attack=1, refusals_per_attack=2)


@pytest.fixture
def tracker():
    attack = attacks_of(causal(straight_course()))[0]
    made = AttackTracker(attack, screen_of(straight_scenario()), SETTINGS, seed=1)
    made.generation()
    return made


def middle(tracker):
    return np.full(tracker.attack.size, 0.5)


def test_a_generation_screens_a_population(tracker):
    assert tracker.screened == 6


def test_an_attack_ends_after_its_refusals(tracker):
    tracker.refused(middle(tracker))
    assert not tracker.is_done
    assert tracker.screened == 12
    tracker.refused(middle(tracker))
    assert tracker.is_done
    assert tracker.screened == 12


def test_an_attack_ends_after_its_drives(tracker):
    tracker.survived(middle(tracker))
    assert tracker.is_done


def test_changes_near_a_refused_one_are_no_candidates(tracker):
    tracker.refused(middle(tracker))
    candidate = tracker.candidate()
    assert candidate is None or np.linalg.norm(candidate[0] - middle(tracker)) > 0.1
