"""Tables shared between renderers."""

import gc
import weakref
from dataclasses import replace

from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from simulation.rendering.appearance import DAY, DUSK, NIGHT
from simulation.rendering.kept_tables import (
    KEPT_GROUNDS,
    RigKey,
    ground_of,
    sky_of,
    spots_of,
    tables_of,
)
from simulation.rendering.renderer import CameraRenderer

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


def test_grounds_are_shared_but_old_maps_are_released():
    map_graph = scene("straight_road").map
    first = ground_of(map_graph, 0)
    assert ground_of(map_graph, 0) is first
    reference = weakref.ref(first)
    del first
    for seed in range(1, KEPT_GROUNDS + 1):
        ground_of(map_graph, seed)
    gc.collect()
    assert reference() is None


def test_without_shadows_day_and_night_share_one_ground():
    map_graph = scene("straight_road").map
    grounds = {
        id(CameraRenderer(map_graph, RIG, appearance=appearance, has_shadows=False)._ground)
        for appearance in (DAY, DUSK, NIGHT)
    }
    assert len(grounds) == 1
    assert id(CameraRenderer(map_graph, RIG, appearance=DAY)._ground) not in grounds
