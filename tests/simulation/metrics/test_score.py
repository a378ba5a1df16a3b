from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoMotion
from driving.map import AreaLayer, MapGraph, polygon_array
from driving.synthetic.scenes import scene
from simulation.metrics.nuplan.drive import Drive, logged_drive_of
from simulation.metrics.result import MetricResult
from simulation.metrics.score import (
    CLOSED_LOOP,
    METRICS,
    OPEN_LOOP,
    AggregateRow,
    ScenarioScore,
    aggregate,
    check_metric,
    compute_metrics,
    final_score,
    metric_named,
    rule_for,
)
from tests.support.drives import LEFT_LANE_Y, STEPS, TIME_S, agents, drive, motion, steady

CLOSED_LOOP_METRICS = [name for name in METRICS if name not in OPEN_LOOP.scored]


def busy_drive() -> Drive:
    """Three motions: straight on into a car, a swerve off the road, and backwards on the oncoming lane."""
    x = np.stack([20.0 + 8.0 * TIME_S, 20.0 + 11.0 * TIME_S, 200.0 - 3.0 * TIME_S])
    y = np.stack([np.full(STEPS, LEFT_LANE_Y), -1.75 - 6.0 * np.sin(TIME_S / 3), np.full(STEPS, 2.5)])
    heading = np.stack([np.zeros(STEPS), -0.3 * np.cos(TIME_S / 3), np.full(STEPS, 0.01)])
    others = agents(
        {"x": 90.0, "y": LEFT_LANE_Y},
        {"x": 150.0, "y": -5.0, "speed": 3.0, "heading": 3.0},
        {"x": 185.0, "y": 2.0, "kind": AgentKind.TRAFFIC_CONE, "size": (0.5, 0.5)},
    )
    return drive(motion(x, y, heading), others)


@pytest.mark.parametrize("name", CLOSED_LOOP_METRICS)
def test_every_metric_keeps_the_contract(name):
    check_metric(METRICS[name], busy_drive())


def test_the_busy_drive_loses_points_everywhere():
    for name in ("no_ego_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance"):
        assert min(result.score for result in METRICS[name](busy_drive())) == 0.0


def test_the_checker_refuses_a_low_score_without_violation():
    def silent(drive):
        return [MetricResult(name="silent", score=0.5, statistics={}) for _ in range(drive.num_motions)]

    with pytest.raises(ValueError, match=r"silent scores 0\.5 with 0 violations; a score needs violations"):
        check_metric(silent, busy_drive())


def test_the_checker_refuses_a_metric_that_mixes_motions():
    def mixing(drive):
        return [
            MetricResult(name="mixing", score=None, statistics={}, **_series(drive)) for _ in range(drive.num_motions)
        ]

    def _series(drive):
        series = np.full(1, drive.centers.mean())
        return {"series": series, "time_s": np.zeros(1), "valid": np.ones(1, dtype=bool)}

    with pytest.raises(ValueError, match="mixing of motion 0 is "):
        check_metric(mixing, busy_drive())


def _turned(points: np.ndarray, angle: float, shift: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + shift


def _turned_layer(layer: AreaLayer, angle: float, shift: np.ndarray) -> AreaLayer:
    import shapely

    polygons = [shapely.transform(area, lambda points: _turned(points, angle, shift)) for area in layer.polygons]
    return replace(layer, polygons=polygon_array(polygons))


def _turned_map(map_graph: MapGraph, angle: float, shift: np.ndarray) -> MapGraph:
    lanes = map_graph.lanes
    lines = replace(lanes.centerlines, values=_turned(lanes.centerlines.values, angle, shift))
    layers = ("roadblocks", "roadblock_connectors", "intersections", "carparks", "road_segments")
    moved = {name: _turned_layer(getattr(map_graph, name), angle, shift) for name in layers}
    return replace(
        map_graph,
        lanes=replace(lanes, areas=_turned_layer(lanes.areas, angle, shift), centerlines=lines),
        generic_drivable_areas=_turned_layer(map_graph.generic_drivable_areas, angle, shift),
        **moved,
    )


def _turned_motion(ego: EgoMotion, angle: float, shift: np.ndarray) -> EgoMotion:
    poses = np.concatenate(
        [_turned(ego.rear_axle_poses[..., :2], angle, shift), ego.rear_axle_poses[..., 2:] + angle], axis=-1
    )
    return replace(ego, rear_axle_poses=poses)


def _turned_agents(tracks: AgentTracks, angle: float, shift: np.ndarray) -> AgentTracks:
    poses = np.concatenate([_turned(tracks.poses[..., :2], angle, shift), tracks.poses[..., 2:] + angle], axis=-1)
    return replace(tracks, poses=poses, velocities_mps=_turned(tracks.velocities_mps, angle, np.zeros(2)))


@pytest.mark.parametrize("angle", [0.7, 2.5, -1.9])
def test_turning_the_whole_world_changes_no_score(angle):
    still, shift = busy_drive(), np.array([3000.0, -700.0])
    turned_map = _turned_map(still.map, angle, shift)
    turned = Drive(
        motion=_turned_motion(still.motion, angle, shift),
        agents=_turned_agents(still.agents, angle, shift),
        map=turned_map,
        logged=Drive(
            motion=_turned_motion(still.logged.motion, angle, shift),
            agents=still.logged.agents,
            map=turned_map,
        ),
    )
    for before, after in zip(
        compute_metrics(still, CLOSED_LOOP.scored), compute_metrics(turned, CLOSED_LOOP.scored), strict=True
    ):
        for name in CLOSED_LOOP.scored:
            assert after[name].score == pytest.approx(before[name].score, abs=1e-6), name


def test_the_score_is_a_product_times_a_weighted_mean():
    scores = dict.fromkeys(CLOSED_LOOP.scored, 1.0)
    assert CLOSED_LOOP.combine(scores) == 1.0
    assert CLOSED_LOOP.combine(scores | {"ego_is_comfortable": 0.0}) == pytest.approx(14 / 16)
    assert CLOSED_LOOP.combine(scores | {"speed_limit_compliance": 0.5}) == pytest.approx(14 / 16)
    assert CLOSED_LOOP.combine(scores | {"no_ego_at_fault_collisions": 0.5, "ego_is_comfortable": 0.0}) == 7 / 16
    assert CLOSED_LOOP.combine(scores | {"ego_is_making_progress": 0.0}) == 0.0
    assert OPEN_LOOP.combine(
        dict.fromkeys(OPEN_LOOP.scored, 1.0) | {"planner_expert_final_heading_error_within_bound": 0.0}
    ) == pytest.approx(4 / 6)


def test_a_missing_or_empty_score_is_no_zero():
    with pytest.raises(KeyError, match="The score needs no_ego_at_fault_collisions"):
        CLOSED_LOOP.combine({})
    with pytest.raises(ValueError, match="a number for ego_is_comfortable, got None"):
        CLOSED_LOOP.combine(dict.fromkeys(CLOSED_LOOP.scored, 1.0) | {"ego_is_comfortable": None})


def test_traffic_decides_the_rule():
    assert rule_for("open_loop") is OPEN_LOOP
    assert rule_for("reactive") is rule_for("nonreactive") is CLOSED_LOOP


def test_an_unknown_metric_name_raises_with_the_nearest_one():
    with pytest.raises(KeyError, match="Did you mean 'ego_lon_jerk'"):
        metric_named("ego_lon_jrek")


def test_aggregates_sum_within_types_and_average_over_all():
    def row(token, kind, comfort, score):
        return ScenarioScore(
            scenario=token,
            log_name="log",
            scenario_type=kind,
            metrics={"comfort": comfort, "jerk": None},
            score=score,
        )

    rows = aggregate([row("a", "turn", 1.0, 0.9), row("b", "stop", 0.0, 0.3), row("c", "turn", 1.0, 0.6)])
    assert [(r.scenario, r.num_scenarios) for r in rows] == [("turn", 2), ("stop", 1), ("final_score", 3)]
    assert [r.metrics["comfort"] for r in rows] == pytest.approx([2.0, 0.0, 2 / 3])
    assert [r.metrics["jerk"] for r in rows] == [None, None, None]
    assert [r.score for r in rows] == pytest.approx([0.75, 0.3, 0.6])
    assert isinstance(rows[0], AggregateRow)


def test_nothing_to_aggregate_is_an_error():
    with pytest.raises(ValueError, match="at least one scenario"):
        aggregate([])


@pytest.mark.parametrize("name", ["straight_road", "queue", "red_light", "t_junction", "roundabout"])
def test_the_logged_ego_of_hand_made_scenes_loses_no_point(name):
    scenario = scene(name)
    frames = scenario.frames
    agents_then = scenario.agents.steps(frames.start, frames.stop)
    own = replace(logged_drive_of(scenario), agents=agents_then, logged=logged_drive_of(scenario))
    results = compute_metrics(own, CLOSED_LOOP.scored)[0]
    lost = {key: result.sentence for key, result in results.items() if result.score < 1.0}
    assert lost.keys() <= {"time_to_collision_within_bound", "ego_is_comfortable"}, lost
    assert final_score(results) >= 9 / 16


def test_the_logged_drive_is_kept_with_its_scenario():
    scenario = scene("straight_road")
    assert logged_drive_of(scenario) is logged_drive_of(scenario)


def test_agents_must_fit_the_motion():
    whole = drive(steady())
    with pytest.raises(ValueError, match="at the 150 instants of its motion, got 3"):
        replace(whole, agents=AgentTracks.none(3))
