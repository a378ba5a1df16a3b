import numpy as np
import pytest
from jaxtyping import TypeCheckError

from driving import PACIFICA, EgoMotion, EgoState


def drive(num_motions: int = 1, num_steps: int = 4) -> EgoMotion:
    """Eastwards along y = 2 at 3 m/s forward and 4 m/s sideways."""
    poses = np.zeros((num_motions, num_steps, 3))
    poses[..., 0] = np.arange(num_steps)
    poses[..., 1] = 2.0
    zeros = np.zeros((num_motions, num_steps))
    return EgoMotion(
        time_us=np.arange(num_steps) * 100_000,
        rear_axle_poses=poses,
        velocities_mps=np.full((num_motions, num_steps, 2), [3.0, 4.0]),
        accelerations_mps2=np.zeros((num_motions, num_steps, 2)),
        steering_rad=zeros,
        yaw_rate_radps=zeros,
        yaw_acceleration_radps2=zeros + 0.5,
    )


def test_the_pacifica_has_the_dimensions_of_nuplan():
    assert PACIFICA.rear_axle_to_center_m == pytest.approx(1.461)
    assert (PACIFICA.length_m, PACIFICA.width_m, PACIFICA.wheelbase_m) == (5.176, 2.297, 3.089)


def test_the_box_centre_is_ahead_of_the_rear_axle():
    motion = drive()
    np.testing.assert_allclose(motion.center_poses()[0, 0], [1.461, 2.0, 0.0])
    front_left, rear_left, rear_right, front_right = motion.corners()[0, 0]
    np.testing.assert_allclose(front_left, [4.049, 2.0 + 1.1485])
    np.testing.assert_allclose(rear_left, [-1.127, 2.0 + 1.1485])
    np.testing.assert_allclose(rear_right, [-1.127, 2.0 - 1.1485])
    np.testing.assert_allclose(front_right, [4.049, 2.0 - 1.1485])


def test_speed_is_the_length_of_the_velocity():
    np.testing.assert_allclose(drive(num_motions=2).speed_mps, np.full((2, 4), 5.0))


def test_a_state_is_one_step_of_one_motion():
    state = drive(num_motions=2).state(step=3, motion=1)
    assert isinstance(state, EgoState)
    assert state.time_us == 300_000
    assert state.speed_mps == 5.0
    assert state.yaw_acceleration_radps2 == 0.5
    np.testing.assert_allclose(state.rear_axle_pose, [3.0, 2.0, 0.0])
    np.testing.assert_allclose(state.center_pose(), [4.461, 2.0, 0.0])


def test_steps_are_copies():
    motion = drive()
    part = motion.steps(1, 3)
    part.rear_axle_poses[:] = 99.0
    assert part.num_steps == 2
    assert motion.rear_axle_poses[0, 1, 0] == 1.0


def test_a_log_is_one_motion_without_yaw_rates():
    motion = EgoMotion.from_log(
        time_us=np.arange(3),
        rear_axle_poses=np.ones((3, 3)),
        velocities_mps=np.ones((3, 2)),
        accelerations_mps2=np.ones((3, 2)),
    )
    assert (motion.num_motions, motion.num_steps) == (1, 3)
    assert not motion.yaw_rate_radps.any()


def test_wrong_shapes_are_refused():
    with pytest.raises(TypeCheckError, match="rear_axle_poses"):
        EgoMotion(**{**vars(drive()), "time_us": np.arange(5)})
