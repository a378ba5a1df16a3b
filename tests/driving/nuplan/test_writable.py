from dataclasses import replace

import numpy as np
import pytest

from driving.nuplan.writable import LARGEST_ID, check_log, check_map
from driving.synthetic.proving_ground import proving_ground
from driving.synthetic.scenes import SCENES


@pytest.mark.parametrize("name", SCENES)
def test_hand_made_recordings_can_be_stored(name):
    check_log(SCENES[name]())


@pytest.mark.parametrize("log_name", ["a/b", "", ".hidden", "two words", "Zürich"])
def test_log_names_are_plain_file_names(log_name):
    with pytest.raises(ValueError, match=r"Log name .* is not valid. Use letters"):
        check_log(replace(SCENES["queue"](), log_name=log_name))


def test_a_log_needs_two_frames():
    recording = SCENES["queue"]()
    short = replace(
        recording,
        time_us=recording.time_us[:1],
        ego=recording.ego.steps(0, 1),
        agents=recording.agents.steps(0, 1),
        traffic_lights=recording.traffic_lights.steps(0, 1),
    )
    with pytest.raises(ValueError, match=r"time axis of at least 2 frames, got .1. on 1 time stamps"):
        check_log(short)


def test_hand_made_maps_can_be_stored():
    check_map(proving_ground().map)


@pytest.mark.parametrize(("wrong", "sentence"), [(-1, "have id -1"), (LARGEST_ID + 1, f"have id {LARGEST_ID + 1}")])
def test_ids_are_exact_as_floating_point_numbers(wrong, sentence):
    map_graph = proving_ground().map
    ids = map_graph.crosswalks.ids.copy()
    ids[0] = wrong
    changed = replace(map_graph, crosswalks=replace(map_graph.crosswalks, ids=ids))
    with pytest.raises(ValueError, match=f"crosswalks {sentence}, ids must be from 0 to {LARGEST_ID}"):
        check_map(changed)


def test_areas_need_a_geometry():
    map_graph = proving_ground().map
    polygons = map_graph.crosswalks.polygons.copy()
    polygons[0] = None
    changed = replace(map_graph, crosswalks=replace(map_graph.crosswalks, polygons=polygons))
    with pytest.raises(ValueError, match=f"crosswalks .{map_graph.crosswalks.ids[0]}. have no geometry"):
        check_map(changed)


def test_a_centerline_is_finite():
    map_graph = proving_ground().map
    lines = map_graph.lanes.centerlines
    values = lines.values.copy()
    values[3] = np.nan
    changed = replace(map_graph, lanes=replace(map_graph.lanes, centerlines=replace(lines, values=values)))
    with pytest.raises(ValueError, match="a centerline has points that are not finite"):
        check_map(changed)
