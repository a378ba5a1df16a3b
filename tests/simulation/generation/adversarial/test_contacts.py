import numpy as np

from simulation.generation.adversarial.contacts import BoxMotion, first_contacts, overlapping_agents
from simulation.generation.ways_out.overlaps import AgentBoxes

STEPS = 50


def moving(speed_mps, y=0.0, start=0.0):
    x = start + speed_mps * 0.1 * np.arange(STEPS)
    return np.stack([x, np.full(STEPS, y), np.zeros(STEPS)], axis=-1)


def box(poses):
    return BoxMotion(poses, np.ones(STEPS, dtype=bool), 4.0, 2.0)


def test_the_first_contact_is_the_step_at_which_the_boxes_meet():
    # The ego at 10 m/s is 4.5 m long: the boxes meet when 20.25 m are driven, after step 20.
    steps, gaps = first_contacts(moving(10.0)[np.newaxis], 4.5, 2.0, box(moving(0.0, start=24.5)))
    assert steps.tolist() == [21]
    assert gaps.tolist() == [0.0]


def test_a_motion_beside_the_box_has_its_distance():
    motions = np.stack([moving(10.0), moving(10.0, y=1.0)])
    steps, gaps = first_contacts(motions, 4.5, 2.0, box(moving(10.0, y=7.0)))
    assert steps.tolist() == [-1, -1]
    assert gaps.tolist() == [5.0, 4.0]


def test_invalid_steps_have_no_contact():
    standing = BoxMotion(moving(0.0, start=24.5), np.zeros(STEPS, dtype=bool), 4.0, 2.0)
    assert first_contacts(moving(10.0)[np.newaxis], 4.5, 2.0, standing)[0].tolist() == [-1]


def test_third_parties_are_found_with_their_first_step_and_without_the_agent_itself():
    poses = np.stack([moving(0.0, start=14.0), moving(0.0, y=9.0), moving(10.0)])
    agents = AgentBoxes(poses, np.full((3, STEPS, 2), [4.0, 2.0]), np.ones((3, STEPS), dtype=bool))
    assert overlapping_agents(box(moving(10.0)), agents, 2, 0.0).tolist() == [10, -1, -1]
    assert overlapping_agents(box(moving(10.0)), agents, 2, 2.0).tolist() == [9, -1, -1]
