import numpy as np
import pytest

from driving import AgentKind
from driving.importers.agent_tracks import TrackSamples, central_differences, isolated, tracks_on_grid
from driving.importers.notes import ImportNotes
from driving.importers.sampling import grid_times

TIME_US = grid_times(0, 5_000_000)


def track(time_us, x, kind=AgentKind.VEHICLE, *, track_id="a", size=(4.0, 2.0), **fields):
    """Observations at (x, 0) with heading 0."""
    count = len(time_us)
    samples = {
        "poses": np.column_stack([np.array(x, dtype=float), np.zeros((count, 2))]),
        "sizes": np.tile(np.array(size), (count, 1)),
        "z_m": np.zeros(count),
        "height_m": 1.5,
        **fields,
    }
    return TrackSamples(track_id=track_id, kind=kind, time_us=np.array(time_us, dtype=np.int64), **samples)


def on_grid(steps, *tracks, frame_us=TIME_US):
    """Agents on the first steps of the grid, and the notes."""
    notes = ImportNotes()
    agents = tracks_on_grid(TIME_US[:steps], tracks, frame_us, notes)
    return agents, [str(note) for note in notes.notes]


def test_agents_are_interpolated_between_observations_off_the_grid():
    agents, notes = on_grid(4, track([20_000, 120_000, 220_000], [1.0, 2.0, 3.0]))
    assert agents.valid[0].tolist() == [True, True, True, False]
    # Before the first observation the agent has the pose of that observation.
    np.testing.assert_allclose(agents.poses[0, :3, 0], [1.0, 1.8, 2.8])
    assert notes == []


def test_velocities_are_central_and_one_sided_at_the_ends():
    agents, _ = on_grid(4, track([0, 100_000, 200_000, 300_000], [0.0, 1.0, 3.0, 6.0]))
    np.testing.assert_allclose(agents.velocities_mps[0, :, 0], [10.0, 15.0, 25.0, 30.0])


def test_a_single_observation_has_velocity_0_with_a_note():
    agents, notes = on_grid(3, track([100_000], [7.0]))
    assert agents.valid[0].tolist() == [False, True, False]
    np.testing.assert_array_equal(agents.velocities_mps[0, 1], [0.0, 0.0])
    assert notes == ["assumed: velocity 0 of agents at an observation without neighbours: a"]


def test_a_single_observation_takes_the_speed_of_the_source():
    turned = np.array([[7.0, 0.0, np.pi / 2]])
    agents, notes = on_grid(3, track([100_000], [7.0], poses=turned, speeds_mps=np.array([10.0])))
    np.testing.assert_allclose(agents.velocities_mps[0, 1], [0.0, 10.0], atol=1e-9)
    assert notes == []


def test_static_objects_have_no_velocity():
    agents, _ = on_grid(3, track([0, 100_000, 200_000], [0.0, 0.1, 0.0], AgentKind.BARRIER))
    np.testing.assert_array_equal(agents.velocities_mps[0], np.zeros((3, 2)))


def test_a_standing_agent_is_observed_at_all_times():
    agents, notes = on_grid(9, track([100_000], [7.0], is_standing=True))
    assert agents.valid.all()
    np.testing.assert_array_equal(agents.poses[0, :, 0], np.full(9, 7.0))
    np.testing.assert_array_equal(agents.velocities_mps, np.zeros((1, 9, 2)))
    assert notes == []


def test_agents_outside_the_time_of_the_ego_are_left_out_with_a_hint():
    agents, notes = on_grid(3, track([900_000], [7.0]))
    assert agents.num_agents == 0
    assert agents.num_steps == 3
    assert notes == ["hint: agents observed only outside the time of the ego: a"]


def test_agents_at_2_hz_move_and_do_not_blink():
    half_s = np.arange(11) * 500_000
    agents, notes = on_grid(51, track(half_s, 7.0 * half_s / 1e6), frame_us=half_s)
    assert agents.valid.all()
    np.testing.assert_allclose(agents.velocities_mps[0], np.tile([7.0, 0.0], (51, 1)))
    assert notes == ["changed: agents given every 0.50 s are interpolated linearly to 0.1 s"]


def test_labels_at_2_hz_in_frames_at_10_hz_are_interpolated():
    half_s = np.arange(11) * 500_000
    agents, _ = on_grid(51, track(half_s, half_s / 1e6))
    assert agents.valid.all()


def test_a_missing_label_at_2_hz_stays_a_gap():
    half_s = np.delete(np.arange(11) * 500_000, 4)
    agents, notes = on_grid(51, track(half_s, half_s / 1e6), frame_us=np.arange(11) * 500_000)
    assert np.flatnonzero(~agents.valid[0]).tolist() == list(range(16, 25))
    assert notes[1] == "hint: gaps of more than 0.75 s, in which the agent is unobserved: a"


def test_at_10_hz_one_missing_frame_is_interpolated_and_two_are_a_gap():
    agents, _ = on_grid(9, track(np.array([0, 1, 3, 4, 7, 8]) * 100_000, [0.0, 1.0, 3.0, 4.0, 7.0, 8.0]))
    assert np.flatnonzero(~agents.valid[0]).tolist() == [5, 6]


def test_frames_every_2_s_are_refused():
    slow = np.arange(5) * 2_000_000
    with pytest.raises(ValueError, match=r"gives agents every 2.00 s"):
        on_grid(51, track(slow, slow / 1e6), frame_us=slow)


def test_an_agent_with_one_long_gap_does_not_change_the_rate():
    agents, _ = on_grid(51, track([0, 4_000_000], [0.0, 4.0]))
    assert np.flatnonzero(agents.valid[0]).tolist() == [0, 40]


@pytest.mark.parametrize(
    ("fields", "left", "note"),
    [
        ({"poses": np.array([[0.0, 0, 0], [np.nan, 0, 0], [2.0, 0, 0]])}, 2, "without a finite pose and size: a"),
        ({"sizes": np.array([[4.0, 2.0], [np.inf, 2.0], [4.0, 2.0]])}, 2, "without a finite pose and size: a"),
        ({"size": (0.0, 2.0)}, 0, "with a length or width outside 0.01 m to 1000 m: a (0 x 2 m)"),
        ({"size": (4.0, -1.0)}, 0, "with a length or width outside 0.01 m to 1000 m: a (4 x -1 m)"),
        ({"size": (4.0, 1e-9)}, 0, "with a length or width outside 0.01 m to 1000 m: a (4 x 1e-09 m)"),
        ({"size": (2e6, 2.0)}, 0, "with a length or width outside 0.01 m to 1000 m: a (2e+06 x 2 m)"),
    ],
)
def test_observations_without_a_box_are_left_out_with_a_note(fields, left, note):
    agents, notes = on_grid(3, track([0, 100_000, 200_000], [0.0, 1.0, 2.0], **fields))
    assert agents.num_agents == (left > 0)
    assert notes[0].startswith("left out")
    assert notes[0].endswith(note)
    # The missing frame lies between two observations.
    assert agents.valid.all()


def test_an_agent_without_any_finite_pose_is_left_out():
    agents, notes = on_grid(3, track([0, 100_000, 200_000], [np.nan] * 3), track([0], [1.0], track_id="b"))
    assert agents.track_ids == ("b",)
    assert notes[0] == "left out (3): observations of agents without a finite pose and size: a"


def test_times_that_repeat_or_go_back_are_left_out():
    agents, notes = on_grid(4, track([0, 100_000, 100_000, 50_000, 200_000], [0.0, 1.0, 9.0, 9.0, 2.0]))
    np.testing.assert_allclose(agents.poses[0, :3, 0], [0.0, 1.0, 2.0])
    assert notes == ["left out (2): observations of agents at a time not after the one before: a"]


def test_track_ids_that_repeat_get_a_number():
    agents, notes = on_grid(2, track([0, 100_000], [0.0, 1.0]), track([0, 100_000], [9.0, 9.0]))
    assert agents.track_ids == ("a", "a (2)")
    assert notes == ["changed: track ids that repeat got a number: a"]


def test_missing_heights_are_assumed_with_a_note():
    agents, notes = on_grid(2, track([0, 100_000], [0.0, 1.0], z_m=np.full(2, np.nan), height_m=np.nan))
    assert agents.heights_m.tolist() == [1.6]
    np.testing.assert_array_equal(agents.z_m, [[0.0, 0.0]])
    assert notes == ["assumed: agents without height: z = 0 m, 1.6 m high: a"]


def test_isolated_observations_have_no_neighbour_in_time():
    valid = np.array([[True, False, True, True, False, True]])
    assert isolated(valid).tolist() == [[True, False, False, False, False, True]]


def test_differences_use_the_observed_neighbours_only():
    positions = np.array([[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [99.0, 0.0]]])
    velocities = central_differences(positions, np.array([[True, True, True, False]]), 0.1)
    np.testing.assert_allclose(velocities[0, :, 0], [10.0, 15.0, 20.0, np.nan])
