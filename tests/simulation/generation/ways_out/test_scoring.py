import numpy as np

from simulation.generation.ways_out.scoring import NUM_SCORED, most_promising


def test_few_candidates_are_all_scored_the_farthest_first():
    driven_m = np.array([5.0, 9.0, 7.0, 1.0])
    assert most_promising(np.array([0, 1, 3]), driven_m, 10).tolist() == [1, 0, 3]


def test_of_many_candidates_each_manoeuvre_is_scored():
    driven_m = np.concatenate([np.linspace(90.0, 100.0, 100), np.linspace(10.0, 20.0, 100)])
    chosen = most_promising(np.arange(200), driven_m, 100)
    assert len(chosen) == len(set(chosen.tolist())) == NUM_SCORED
    assert chosen[:2].tolist() == [99, 199]
    assert (chosen >= 100).sum() >= NUM_SCORED // 4
