from dataclasses import replace

import numpy as np
import pytest

from driving import STATIC_KINDS, AgentKind, AgentTracks, LightStatus, TrafficLights
from driving.agents import static_mask


def three_tracks() -> AgentTracks:
    """Over 4 steps: `a` always seen, `b` only in the first two, `c` only in the last."""
    valid = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    hidden = ~valid[..., np.newaxis]
    return AgentTracks(
        track_ids=("a", "b", "c"),
        kinds=np.array([AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN], dtype=np.int8),
        poses=np.where(hidden, np.nan, np.arange(36.0).reshape(3, 4, 3)),
        velocities_mps=np.where(hidden, np.nan, np.ones((3, 4, 2))),
        sizes=np.where(hidden, np.nan, np.full((3, 4, 2), [4.0, 2.0])),
        valid=valid,
    )


def test_kinds_are_numbered_as_in_nuplan():
    assert [kind.value for kind in AgentKind] == list(range(8))
    assert {kind for kind in AgentKind if kind.is_static} == STATIC_KINDS
    assert not AgentKind.BICYCLE.is_static


def test_default_fields_are_derived():
    agents = three_tracks()
    np.testing.assert_array_equal(agents.order[:, 3][agents.valid[:, 3]], [0, 1])
    np.testing.assert_array_equal(agents.heights_m, [1.6, 1.6, 1.6])
    np.testing.assert_array_equal(np.isnan(agents.z_m), ~agents.valid)


def test_rows_are_in_the_order_of_the_source():
    agents = three_tracks()
    turned = AgentTracks(
        **{**vars(agents), "order": np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=np.int32)}
    )
    assert agents.rows_at(0).tolist() == [0, 1]
    assert turned.rows_at(0).tolist() == [1, 0]
    assert turned.rows_at(3).tolist() == [2, 0]


def test_steps_leave_out_unobserved_agents():
    past = three_tracks().steps(0, 2)
    assert past.track_ids == ("a", "b")
    assert past.num_steps == 2
    later = three_tracks().steps(2, 4)
    assert later.track_ids == ("a", "c")
    assert later.valid.tolist() == [[True, True], [False, True]]


def test_steps_are_copies():
    agents = three_tracks()
    for name, part in vars(agents.steps(0, 2)).items():
        if isinstance(part, np.ndarray):
            assert part.base is None or part.base.size == part.size, name
            assert not np.shares_memory(part, getattr(agents, name)), name


def test_taking_rows_keeps_their_order():
    assert three_tracks().take(np.array([2, 0])).track_ids == ("c", "a")


def test_joined_tracks_come_last_in_each_frame():
    first = three_tracks()
    other = replace(first.take(np.array([1])), track_ids=("d",))
    both = first.joined(other)
    assert both.track_ids == ("a", "b", "c", "d")
    assert np.array_equal(both.poses[3], other.poses[0], equal_nan=True)
    for step in range(first.num_steps):
        expected = first.rows_at(step).tolist() + ([3] if other.valid[0, step] else [])
        assert both.rows_at(step).tolist() == expected
    assert AgentTracks.none(first.num_steps).joined(other).track_ids == ("d",)


def test_agents_are_ordered_by_their_first_observation_and_then_by_their_boxes():
    late, first, second = "a", "b", "c"
    valid = np.array([[False, True], [True, True], [True, False]])
    tracks = AgentTracks(
        track_ids=(late, second, first),
        kinds=np.zeros(3, dtype=np.int8),
        poses=np.zeros((3, 2, 3)),
        velocities_mps=np.zeros((3, 2, 2)),
        sizes=np.ones((3, 2, 2)),
        valid=valid,
        order=np.array([[0, 1], [1, 0], [0, 0]], dtype=np.int32),
    )
    assert tracks.by_appearance().track_ids == (first, second, late)
    assert AgentTracks.none(2).by_appearance().track_ids == ()


def test_empty_tracks_have_steps_but_no_agents():
    empty = AgentTracks.none(7)
    assert (empty.num_agents, empty.num_steps) == (0, 7)
    assert empty.rows_at(3).tolist() == []
    assert empty.steps(2, 5).num_steps == 3


def test_ids_and_poses_must_match_the_agents():
    fields = vars(three_tracks())
    with pytest.raises(ValueError, match="one track id and kind per agent, got 2 and 3 for 3 agents"):
        AgentTracks(**{**fields, "track_ids": ("a", "b")})


class TestTrafficLights:
    lights = TrafficLights.from_dense(np.array([7, 5]), np.array([[0, 2, 2], [2, 2, 0]], dtype=np.int8))

    def test_a_dense_table_is_read_step_by_step(self):
        ids, statuses = self.lights.at(1)
        assert ids.tolist() == [7, 5]
        assert statuses.tolist() == [LightStatus.RED, LightStatus.RED]

    def test_connectors_are_found_by_what_they_show(self):
        assert self.lights.ids_showing(0, LightStatus.GREEN) == {7}
        assert self.lights.ids_showing(2, LightStatus.GREEN) == {5}
        assert self.lights.ids_showing(2, LightStatus.YELLOW) == frozenset()

    def test_a_part_keeps_its_rows_as_copies(self):
        part = self.lights.steps(2, 3)
        assert part.num_steps == 1
        assert part.at(0)[1].tolist() == [LightStatus.RED, LightStatus.GREEN]
        assert not np.shares_memory(part.statuses, self.lights.statuses)

    def test_no_light_at_any_step(self):
        assert TrafficLights.none(3).num_steps == 3
        assert TrafficLights.none(3).at(2)[0].tolist() == []

    def test_offsets_must_span_the_rows(self):
        with pytest.raises(ValueError, match="from 0 to the number of rows, 2"):
            TrafficLights(
                offsets=np.array([0, 1]), lane_connector_ids=np.array([7, 5]), statuses=np.zeros(2, dtype=np.int8)
            )


def test_the_static_mask_covers_the_static_kinds():
    kinds = np.array(list(AgentKind), dtype=np.int8)
    np.testing.assert_array_equal(static_mask(kinds), [kind in STATIC_KINDS for kind in AgentKind])


def test_red_rows_keep_the_order_of_the_lights_and_leave_out_unknown_connectors():
    statuses = np.array([[LightStatus.RED], [LightStatus.GREEN], [LightStatus.RED], [LightStatus.RED]], dtype=np.int8)
    lights = TrafficLights.from_dense(np.array([9, 7, 5, 3]), statuses)
    np.testing.assert_array_equal(lights.red_rows(0, {3: 0, 7: 1, 9: 2}), [2, 0])
