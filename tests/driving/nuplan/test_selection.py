import json
import random
from dataclasses import replace

import numpy as np
import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.selection import (
    apply_filter,
    driven_m,
    has_route_near,
    limited_in_total,
    limited_per_type,
    sampled_rows,
    spaced_in_time,
    speed_crossings,
)


def entry(number, scenario_type="changing_lane", time_s=0.0):
    return ScenarioEntry(
        token=f"{number:016x}",
        scenario_type=scenario_type,
        log_name="log",
        map_name="map",
        log_file="log.db",
        maps_root="maps",
        sensor_root="blobs",
        time_us=round(time_s * 1e6),
    )


def numbers(entries):
    return [int(found.token, 16) for found in entries]


def by_type(**counts):
    """Entries numbered through in the order of the types."""
    start, found = 0, {}
    for name, count in counts.items():
        found[name] = [entry(start + i, name) for i in range(count)]
        start += count
    return found


@pytest.mark.parametrize(
    ("count", "kept"), [(2, [0, 3]), (3, [0, 2, 4]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3, 4, 5, 6])]
)
def test_types_are_subsampled_at_equal_steps(count, kept):
    assert numbers(limited_per_type(by_type(a=7), count, None)["a"]) == kept


def test_a_total_drops_untagged_frames_first():
    kept = limited_in_total(by_type(unknown=10, a=3), 5, None)
    assert numbers(kept["unknown"]) == [0, 5]
    assert numbers(kept["a"]) == [10, 11, 12]


def test_a_total_below_the_tagged_ones_subsamples_them_by_token():
    kept = limited_in_total(by_type(unknown=10, a=3, b=3), 3, None)
    assert "unknown" not in kept
    assert numbers([*kept["a"], *kept["b"]]) == [10, 12, 14]


def test_a_fraction_is_rounded_up():
    assert numbers(limited_in_total(by_type(a=7), 0.3, None)["a"]) == [0, 2, 4]
    assert numbers(limited_in_total(by_type(a=7), 1.0, None)["a"]) == list(range(7))


def test_scenarios_keep_their_distance_in_time():
    entries = [entry(i, time_s=time_s) for i, time_s in enumerate((20.0, 0.0, 4.0, 5.0, 9.0, 10.0))]
    assert numbers(spaced_in_time(entries, 5.0)) == [1, 3, 5, 0]
    assert spaced_in_time([], 5.0) == []


def test_the_list_is_sorted_by_token_or_shuffled_by_seed():
    found = {"b": [entry(3, "b"), entry(1, "b")], "a": [entry(2, "a")]}
    assert numbers(apply_filter(found, ScenarioFilter())[0]) == [1, 2, 3]
    expected = [1, 2, 3]
    random.Random(7).shuffle(expected)
    assert numbers(apply_filter(found, ScenarioFilter(shuffle=True, seed=7))[0]) == expected


def test_each_condition_reports_how_many_scenarios_it_removed():
    entries, counts = apply_filter(
        by_type(a=7, b=2), ScenarioFilter(num_scenarios_per_type=3, limit_total_scenarios=4)
    )
    assert len(entries) == 4
    assert [(count.condition, count.removed, count.left) for count in counts] == [
        ("num_scenarios_per_type", 4, 5),
        ("limit_total_scenarios", 1, 4),
    ]


@pytest.mark.parametrize(
    ("speeds", "rises", "falls"),
    [
        ([0.0, 0.5, 1.5], True, False),
        ([2.0, 1.0, 0.5], False, True),
        ([0.0, 2.0, 0.0], True, True),
        ([1.0, 1.05, 1.0], False, False),
        ([2.0, 3.0, 2.0], False, False),
        ([0.0, 1.0], False, False),
    ],
)
def test_a_start_exceeds_the_threshold_and_a_stop_reaches_it(speeds, rises, falls):
    assert speed_crossings(np.array(speeds), 1.0, 0.1) == (rises, falls)


@pytest.mark.parametrize(
    ("duration_s", "first", "last", "count"), [(15.0, 2, 300, 150), (14.95, 2, 298, 149), (20.0, 2, 400, 200)]
)
def test_samples_are_every_second_row(duration_s, first, last, count):
    rows = sampled_rows(duration_s)
    assert (rows[0], rows[-1], len(rows)) == (first, last, count)


def test_the_ego_of_the_small_log_drives_149_m(data_root):
    # 150 samples 1 m apart, counted from the second frame on.
    (found,) = list_scenarios(DataRoot.find(data_root))
    assert driven_m(found) == pytest.approx(149.0)


@pytest.mark.parametrize(
    ("conditions", "passes"),
    [
        ({"ego_displacement_minimum_m": 148.9}, True),
        ({"ego_displacement_minimum_m": 149.1}, False),
        ({"ego_start_speed_threshold": 5.0}, False),
        ({"ego_stop_speed_threshold": 5.0, "speed_noise_tolerance": 1.0}, False),
        ({"ego_route_radius": 200.0}, True),
        ({"ego_route_radius": 50.0}, False),
        ({"map_names": ("us-nv-las-vegas-strip",)}, True),
        ({"map_names": ("us-ma-boston",)}, False),
        ({"log_names": ("2021.07.16.20.00.00_veh-35_00000_00050",)}, True),
        ({"log_names": ("other",)}, False),
        ({"scenario_types": ("changing_lane", "on_carpark")}, True),
        ({"scenario_types": ("on_carpark",)}, False),
    ],
)
def test_conditions_on_a_real_log(data_root, conditions, passes):
    chosen = replace(ScenarioFilter.tagged(), **conditions)
    if passes:
        assert len(list_scenarios(DataRoot.find(data_root), chosen)) == 1
    else:
        with pytest.raises(ValueError, match="No scenario passes the filter"):
            list_scenarios(DataRoot.find(data_root), chosen)


def test_the_route_is_near_when_three_of_its_points_are(data_root):
    # The first pose is at 220 m: lane 20 has points at 0, 150 and 300 m, the connector at 300, 310 and 320 m.
    (found,) = list_scenarios(DataRoot.find(data_root))
    assert has_route_near(found, 100.1)
    assert not has_route_near(found, 99.9)


@pytest.mark.parametrize(("fraction", "passes"), [(0.0, True), (0.5, True), (0.7, False), (1.0, False)])
def test_frames_in_a_token_set_count(data_root, tmp_path, fraction, passes):
    frames = [(1_000_440 + 2 * i).to_bytes(8, "big").hex() for i in range(100)]
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps(frames))
    chosen = replace(ScenarioFilter.tagged(), token_set_path=str(tokens), fraction_in_token_set_threshold=fraction)
    if passes:
        assert len(list_scenarios(DataRoot.find(data_root), chosen)) == 1
    else:
        with pytest.raises(ValueError, match="0 scenarios after fraction_in_token_set_threshold"):
            list_scenarios(DataRoot.find(data_root), chosen)


@pytest.mark.parametrize(("text", "sentence"), [("{}", "must hold a JSON list"), ("[1", "not readable JSON")])
def test_a_wrong_token_set_is_refused(data_root, tmp_path, text, sentence):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(text)
    chosen = replace(ScenarioFilter.tagged(), token_set_path=str(tokens), fraction_in_token_set_threshold=0.5)
    with pytest.raises(ValueError, match=sentence):
        list_scenarios(DataRoot.find(data_root), chosen)


def test_single_frames_have_no_displacement(data_root):
    chosen = replace(ScenarioFilter.tagged(), expand_scenarios=True, ego_displacement_minimum_m=1.0)
    with pytest.raises(ValueError, match="expand_scenarios gives single frames"):
        list_scenarios(DataRoot.find(data_root), chosen)
