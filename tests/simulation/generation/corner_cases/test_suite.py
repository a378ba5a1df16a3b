"""The corner suite is large enough, the same for everyone, and its parts share nothing."""

from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.suite import make_member, suite_members


def test_the_suite_is_large_and_covers_every_kind_evenly():
    members = suite_members()
    assert len(members) == len(CORNER_KINDS) * 16 >= 240
    for kind in CORNER_KINDS:
        parts = [member.part for member in members if member.kind == kind]
        assert (parts.count("train"), parts.count("test")) == (11, 5)


def test_train_and_test_share_neither_seed_nor_map():
    train, test = ([one for one in suite_members() if one.part == part] for part in ("train", "test"))
    assert not {one.seed for one in train} & {one.seed for one in test}
    assert not {one.ground_number for one in train} & {one.ground_number for one in test}


def test_a_smaller_suite_is_a_part_of_the_larger():
    small = suite_members(per_kind=1)
    assert len(small) == 2 * len(CORNER_KINDS)
    assert set(small) <= set(suite_members())


def test_a_member_is_what_its_name_says():
    member = suite_members(per_kind=1)[0]
    recording = make_member(member)
    assert recording.log_name == "corner-pedestrian_between_cars-s0100-n000-corners-0100"
    assert recording.map.name == "corners-0100"
