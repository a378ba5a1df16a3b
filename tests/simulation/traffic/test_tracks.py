from dataclasses import fields

import numpy as np
import pytest

from driving.agents import AgentTracks
from driving.synthetic.scenes import scene
from simulation.traffic.tracks import TrackWindow, arrays_of_tracks


def random_tracks(num_agents: int = 7, num_steps: int = 12) -> AgentTracks:
    """Agents that appear and disappear at random steps; the last one is never valid."""
    rng = np.random.default_rng(0)
    valid = rng.uniform(size=(num_agents, num_steps)) < 0.4
    valid[-1] = False

    def values(*shape):
        mask = valid.reshape(num_agents, num_steps, *[1] * len(shape))
        return np.where(mask, rng.normal(size=(num_agents, num_steps, *shape)), np.nan)

    return AgentTracks(
        track_ids=tuple(f"track {row}" for row in range(num_agents)),
        kinds=rng.integers(0, 7, num_agents).astype(np.int8),
        poses=values(3),
        velocities_mps=values(2),
        sizes=values(2),
        valid=valid,
        heights_m=rng.uniform(1, 2, num_agents),
        z_m=values(),
    )


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (0, 1), (3, 8), (11, 12)])
def test_a_window_equals_the_steps_of_the_tracks(start, stop):
    tracks = random_tracks()
    ours = TrackWindow(tracks.track_ids, arrays_of_tracks(tracks)).steps(start, stop)
    expected = tracks.steps(start, stop)
    assert ours.track_ids == expected.track_ids
    for each in fields(AgentTracks)[1:]:
        np.testing.assert_array_equal(getattr(ours, each.name), getattr(expected, each.name), err_msg=each.name)


def test_consecutive_windows_have_the_ids_of_their_own_agents():
    tracks = random_tracks()
    window = TrackWindow(tracks.track_ids, arrays_of_tracks(tracks))
    for start in range(11):
        assert window.steps(start, start + 2).track_ids == tracks.steps(start, start + 2).track_ids


def test_a_window_is_a_copy():
    tracks = random_tracks()
    before = tracks.poses.copy()
    window = TrackWindow(tracks.track_ids, arrays_of_tracks(tracks)).steps(0, 12)
    window.poses[:] = 7.0
    np.testing.assert_array_equal(tracks.poses, before)


def test_a_window_without_agents_has_no_ids():
    tracks = AgentTracks.none(5)
    window = TrackWindow(tracks.track_ids, arrays_of_tracks(tracks))
    assert window.steps(1, 4).track_ids == ()
    assert window.steps(1, 4).poses.shape == (0, 3, 3)


def test_contiguous_arrays_are_not_copied():
    agents = scene("queue").agents
    arrays = arrays_of_tracks(agents)
    assert arrays.poses is agents.poses
    assert arrays.order.dtype == np.int32
    assert arrays.poses.flags.c_contiguous
