from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from simulation.generation.town.layout import (
    ARTERIALS,
    COLLECTORS,
    LOCALS,
    JunctionKind,
    PlanStyle,
    TownSettings,
    plan_town,
    with_style,
)


@pytest.mark.parametrize("seed", range(5))
def test_all_junctions_hang_together_and_no_street_ends(seed):
    plan = plan_town(np.random.default_rng(seed), TownSettings())
    ends = np.array([(link.tail, link.head) for link in plan.links])
    count = len(plan.junctions)
    graph = csr_array((np.ones(len(ends)), ends.T), shape=(count, count))
    assert connected_components(graph, directed=False)[0] == 1
    arms = [len(junction.arms) for junction in plan.junctions]
    assert min(arms) == 2
    assert arms.count(2) == 4  # The corners of the ring road.
    assert max(arms) == 4


def test_towns_have_all_kinds_of_junctions():
    kinds = [
        junction.kind
        for seed in range(4)
        for junction in plan_town(np.random.default_rng(seed), TownSettings()).junctions
    ]
    assert set(kinds) == set(JunctionKind)


def test_a_town_covers_one_to_three_square_kilometres():
    plan = plan_town(np.random.default_rng(0), TownSettings())
    points = np.concatenate([link.curve for link in plan.links])
    area_km2 = np.prod(np.ptp(points, axis=0)) / 1e6
    assert 1.0 < area_km2 < 3.0


def test_the_smallest_grid_is_named():
    with pytest.raises(ValueError, match="at least 3 by 3 junctions, got 2 by 6"):
        TownSettings(columns=2)


def test_a_recording_has_to_fit():
    with pytest.raises(ValueError, match="A recording of 60 s does not fit into the recorded interval of 50 s"):
        TownSettings(recording_s=60, recorded_s=50)
    with pytest.raises(ValueError, match="at least 0 groups of bystanders, got -1"):
        TownSettings(bystanders=-1)


STYLE = PlanStyle(spacing_m=120.0, removed=0.1, profile_weights=(0.0, 1.0, 0.0))


def test_a_style_sets_distances_profiles_and_removed_streets():
    settings = with_style(TownSettings(columns=5, rows=4), STYLE)
    # 8 inner streets from west to east and 9 from south to north.
    assert settings.removed_links == 2
    plan = plan_town(np.random.default_rng(0), settings)
    assert all(link.profile in COLLECTORS for link in plan.links)
    assert np.mean([link.length_m for link in plan.links]) == pytest.approx(120.0, rel=0.1)
    assert len(plan.links) == 4 * 4 + 5 * 3 - 2


def test_the_ring_road_of_a_styled_town_has_one_profile():
    plan = plan_town(
        np.random.default_rng(1),
        with_style(TownSettings(), PlanStyle(spacing_m=200.0, removed=0.0, profile_weights=(1.0, 1.0, 1.0))),
    )
    ring = [link.profile for link in plan.links if link.tail < 6 and link.head < 6]
    assert len(set(ring)) == 1


@pytest.mark.parametrize(
    ("removed", "weights"), [(0.0, (0.0, 0.0, 0.0)), (0.0, (-1.0, 1.0, 1.0)), (1.0, (1.0, 1.0, 1.0))]
)
def test_impossible_styles_are_refused(removed, weights):
    with pytest.raises(ValueError, match="weights of at least 0"):
        PlanStyle(spacing_m=200.0, removed=removed, profile_weights=weights)


def test_lane_widths_are_scaled_for_each_street_and_leave_the_plan_as_it_is():
    widths = {profile.lane_width_m for profile in (*ARTERIALS, *COLLECTORS, *LOCALS)}
    plain, narrow, mixed = (
        plan_town(np.random.default_rng(3), TownSettings(lane_scales=scales))
        for scales in ((1.0, 1.0), (0.8, 0.8), (0.8, 1.3))
    )
    assert {link.profile.lane_width_m for link in plain.links} <= widths
    for one, other in zip(plain.links, narrow.links, strict=True):
        assert np.array_equal(one.curve, other.curve)
        assert other.profile == replace(one.profile, lane_width_m=0.8 * one.profile.lane_width_m)
    drawn = {link.profile.lane_width_m for link in mixed.links}
    assert len(drawn) > 5
    assert 0.8 * min(widths) <= min(drawn) <= max(drawn) <= 1.3 * max(widths)


@pytest.mark.parametrize("scales", [(0.7, 1.0), (1.0, 1.4), (1.2, 0.9), (float("nan"), 1.0)])
def test_lanes_that_are_too_narrow_or_too_wide_are_refused(scales):
    with pytest.raises(ValueError, match="the lower number first"):
        TownSettings(lane_scales=scales)
