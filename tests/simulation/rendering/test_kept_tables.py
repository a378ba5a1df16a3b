"""Tables shared between renderers."""

from dataclasses import replace

from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from simulation.rendering.appearance import DAY, DUSK
from simulation.rendering.kept_tables import (
    KEPT_PER_MAP,
    RigKey,
    ground_of,
    sky_of,
    spots_of,
    surroundings_of,
    tables_of,
)
from simulation.rendering.overlays import Overlay

RIG = NUSCENES_6.resized(sizes=(32, 18))


def test_a_rig_of_equal_numbers_shares_its_tables_and_another_does_not():
    copy = replace(RIG, intrinsics=RIG.intrinsics.copy())
    assert tables_of(RigKey(RIG)) is tables_of(RigKey(copy))
    assert tables_of(RigKey(RIG)) is not tables_of(RigKey(RIG.shifted(height_m=0.1)))
    assert RigKey(RIG) != RIG


def test_sky_and_lens_belong_to_an_appearance_and_a_seed():
    assert sky_of(DAY, 1) is sky_of(replace(DAY), 1)
    assert (sky_of(DAY, 1) != sky_of(DUSK, 1)).any()
    assert spots_of(DAY, 1, 0, (32, 18)) is spots_of(DAY, 1, 0, (32, 18))


def test_a_map_keeps_its_last_grounds_and_static_objects():
    map_graph = scene("straight_road").map
    first = ground_of(map_graph, 0)
    assert ground_of(map_graph, 0) is first
    assert ground_of(map_graph, 0, Overlay(None)) is not first
    assert surroundings_of(map_graph, 0) is surroundings_of(map_graph, 0)
    for seed in range(1, KEPT_PER_MAP + 1):
        ground_of(map_graph, seed)
    assert ground_of(map_graph, 0) is not first
