import numpy as np
import pytest

from driving.agents import AgentKind
from perception.boxes import Boxes
from perception.decoding import Detections
from perception.tracking import Tracker, TrackerSettings

EGO = np.array([1000.0, 2000.0, 0.5])


def detections(*rows, score=0.9):
    """Rows of class, x, y, heading, velocity x, velocity y in the ego frame."""
    values = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Detections(
        boxes=Boxes(
            classes=values[:, 0].astype(np.int64),
            poses=values[:, 1:4],
            sizes_m=np.tile([4.5, 1.9, 1.6], (len(values), 1)),
            velocities_mps=values[:, 4:],
        ),
        scores=np.full(len(values), score),
    )


def history(end_s, steps=22):
    return (np.arange(steps) - (steps - 1)) * 100_000 + round(end_s * 1e6)


def driving_ahead(until_s, step_s=0.2, speed=5.0):
    tracker = Tracker()
    for time_s in np.arange(0.0, until_s + 1e-6, step_s):
        tracker.update(detections([0, 10 + speed * time_s, 0, 0, speed, 0]), EGO, round(time_s * 1e6))
    return tracker


def test_a_track_follows_a_vehicle_in_the_global_frame_and_predicts_between_detections():
    tracks = driving_ahead(2.0).agent_tracks(history(2.1))
    assert tracks.num_agents == 1
    assert tracks.kinds[0] == AgentKind.VEHICLE
    ahead = np.array([np.cos(0.5), np.sin(0.5)])
    assert tracks.poses[0, -1, :2] == pytest.approx(EGO[:2] + (10 + 5 * 2.1) * ahead, abs=0.05)
    assert tracks.velocities_mps[0, -1] == pytest.approx(5 * ahead, abs=0.1)
    assert tracks.poses[0, -12, :2] == pytest.approx(EGO[:2] + 15 * ahead, abs=0.05)
    assert tracks.valid[0].all()
    assert tracks.heights_m[0] == pytest.approx(1.6)


def test_before_the_first_detection_a_track_is_not_valid():
    tracks = driving_ahead(1.0).agent_tracks(history(1.0))
    assert tracks.valid[0].sum() == 11
    assert np.isnan(tracks.poses[0, 0]).all()


def test_positions_correct_a_velocity_that_is_measured_too_low():
    tracker = Tracker()
    for time_s in np.arange(0.0, 2.01, 0.2):
        tracker.update(detections([0, 10 + 5 * time_s, 0, 0, 4, 0]), np.zeros(3), round(time_s * 1e6))
    assert 4.3 < tracker.agent_tracks(history(2.0)).velocities_mps[0, -1, 0] < 5.0


def test_a_track_keeps_its_id_through_a_short_gap_and_ends_after_a_long_one():
    tracker = driving_ahead(1.0)
    (before,) = tracker.agent_tracks(history(1.0)).track_ids
    tracker.update(detections(), EGO, 1_500_000)
    tracker.update(detections([0, 20.0, 0.3, 0, 5, 0]), EGO, 2_000_000)
    assert tracker.agent_tracks(history(2.0)).track_ids == (before,)
    assert tracker.agent_tracks(history(3.3)).num_agents == 0
    tracker.update(detections(), EGO, 3_300_000)
    tracker.update(detections([0, 26.5, 0.3, 0, 5, 0]), EGO, 3_400_000)
    assert tracker.agent_tracks(history(3.4)).track_ids != (before,)


def test_crossing_agents_keep_their_ids():
    tracker = Tracker()
    for time_s in np.arange(0.0, 4.01, 0.2):
        pair = [[0, 10 + 5 * time_s, 2, 0, 5, 0], [0, 30 - 5 * time_s, -2, np.pi, -5, 0]]
        tracker.update(detections(*(pair if round(time_s * 5) % 2 else pair[::-1])), np.zeros(3), round(time_s * 1e6))
    tracks = tracker.agent_tracks(history(4.0))
    assert tracks.num_agents == 2
    assert sorted(tracks.poses[:, -1, 0].tolist()) == pytest.approx([10.0, 30.0], abs=0.1)
    assert (np.abs(np.diff(tracks.poses[:, :, 1], axis=1)) < 0.1).all()


def test_weak_detections_continue_tracks_and_start_none():
    tracker = Tracker()
    tracker.update(detections([1, 5, 0, 0, 1, 0], score=0.3), EGO, 0)
    assert tracker.agent_tracks(history(0.0)).num_agents == 0
    tracker.update(detections([1, 5, 0, 0, 1, 0], score=0.5), EGO, 100_000)
    assert tracker.agent_tracks(history(0.1)).num_agents == 0, "a single uncertain detection is not reported"
    tracker.update(detections([1, 5.1, 0, 0, 1, 0], score=0.3), EGO, 200_000)
    assert tracker.agent_tracks(history(0.2)).kinds.tolist() == [AgentKind.PEDESTRIAN]


def test_classes_are_not_mixed_and_static_objects_stand():
    tracker = Tracker()
    for step in range(3):
        both = detections([0, 10, 0, 0, 0.1, 0], [3, 10, 0, 0, 2, 0])
        tracker.update(both, np.zeros(3), step * 200_000)
    tracks = tracker.agent_tracks(history(0.4))
    assert sorted(tracks.kinds.tolist()) == [AgentKind.VEHICLE, AgentKind.GENERIC_OBJECT]
    assert (tracks.velocities_mps[:, -1] == 0).all()


def test_one_detection_that_faces_backwards_does_not_turn_a_vehicle():
    tracker = driving_ahead(1.0)
    tracker.update(detections([0, 16, 0, np.pi - 0.05, 5, 0]), EGO, 1_200_000)
    assert tracker.agent_tracks(history(1.2)).poses[0, -1, 2] == pytest.approx(0.5, abs=0.1)


def test_times_must_not_decrease():
    with pytest.raises(ValueError, match="older than the last ones"):
        driving_ahead(1.0).update(detections(), EGO, 0)


def test_vehicles_are_reported_longer_and_people_as_they_are():
    tracker = Tracker(TrackerSettings(longer_m=0.8))
    both = detections([0, 12, 0, 0, 0, 0], [1, 6, 3, 0, 0, 0])
    for step in range(2):
        tracker.update(both, EGO, step * 200_000)
    tracks = tracker.agent_tracks(np.array([200_000]))
    lengths = dict(zip(tracks.kinds.tolist(), tracks.sizes[:, -1, 0].tolist(), strict=True))
    assert lengths[AgentKind.VEHICLE] == pytest.approx(4.5 + 0.8)
    assert lengths[AgentKind.PEDESTRIAN] == pytest.approx(4.5)


def test_tracks_of_different_age_are_reported_as_each_alone():
    rows = [(0, 10.0, 0.0, 3.1, -5.0, 0.2), (2, 5.0, 8.0, -3.1, -2.0, 0.0), (1, -4.0, -3.0, 0.5, 1.0, 0.5)]
    first_seen_s = (0.0, 0.4, 1.0)

    def tracked(numbers):
        tracker = Tracker()
        for time_s in np.arange(0.0, 1.21, 0.2):
            seen = [rows[number] for number in numbers if time_s > first_seen_s[number] - 1e-6]
            moved = [(kind, x + u * time_s, y + v * time_s, h, u, v) for kind, x, y, h, u, v in seen]
            tracker.update(detections(*moved), EGO, round(time_s * 1e6))
        return tracker.agent_tracks(history(1.3))

    together = tracked((0, 1, 2))
    assert together.valid.sum(axis=1).tolist() == [14, 10, 4]
    for number in range(3):
        alone = tracked((number,))
        assert together.kinds[number] == alone.kinds[0]
        assert together.poses[number] == pytest.approx(alone.poses[0], nan_ok=True)
        assert together.velocities_mps[number] == pytest.approx(alone.velocities_mps[0], nan_ok=True)
