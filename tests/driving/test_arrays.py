import numpy as np
import pytest
from odd_values import made_without_type_check

from driving.agents import AgentTracks, TrafficLights
from driving.arrays import require_array, require_shapes
from driving.synthetic.scenes import scene


def test_an_array_of_the_right_type_and_shape_passes():
    require_array("poses", np.zeros((4, 3)), ("time", "3"), (None, 3))
    require_shapes("2 agents", {"sizes": (np.zeros((2, 5, 2)), (2, 5, 2))})


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (
            np.zeros((4, 2)),
            ValueError,
            r"poses must be a float64 NumPy array of shape \(time, 3\), got shape \(4, 2\)\.",
        ),
        (np.zeros(3), ValueError, r"got shape \(3,\)"),
        (np.zeros((4, 3), dtype=">f8"), TypeError, "got dtype >f8"),
        (None, TypeError, "got a NoneType"),
    ],
)
def test_the_message_names_the_array_and_both_shapes(value, error, sentence):
    with pytest.raises(error, match=sentence):
        require_array("poses", value, ("time", "3"), (None, 3))


@pytest.mark.parametrize(
    ("name", "shape"), [("poses", (2, 5, 2)), ("sizes", (2, 2)), ("velocities_mps", (2, 4, 2)), ("z_m", (2, 6))]
)
def test_agents_with_arrays_of_other_shapes_are_refused(name, shape):
    whole = {
        "track_ids": ("a", "b"),
        "kinds": np.zeros(2, dtype=np.int8),
        "poses": np.zeros((2, 5, 3)),
        "velocities_mps": np.zeros((2, 5, 2)),
        "sizes": np.zeros((2, 5, 2)),
        "valid": np.ones((2, 5), dtype=bool),
        "order": None,
        "heights_m": None,
        "z_m": None,
    }
    with pytest.raises(ValueError, match=rf"AgentTracks\.{name} of 2 agents at 5 steps must have shape"):
        made_without_type_check(AgentTracks, **{**whole, name: np.zeros(shape)})


def test_an_ego_motion_with_an_array_of_another_length_is_refused():
    ego = scene("queue").ego
    values = {**vars(ego), "steering_rad": ego.steering_rad[:, :-1]}
    with pytest.raises(ValueError, match=r"EgoMotion\.steering_rad of 1 motions at \d+ times must have shape"):
        made_without_type_check(type(ego), **values)


def test_lights_need_one_status_per_connector():
    with pytest.raises(ValueError, match="one status per lane connector, got 1 for 2"):
        made_without_type_check(
            TrafficLights,
            offsets=np.array([0, 1]),
            lane_connector_ids=np.array([1, 2]),
            statuses=np.zeros(1, dtype=np.int8),
        )
