import pytest
import torch
from small_perception import random_input, ring_rig, small_network

from perception.contract import PerceptionTargets
from perception.losses import (
    LossWeights,
    box_gaps,
    centre_loss,
    grid_loss,
    losses,
    masked_distance,
    signal_losses,
)

SHAPE = (2, 32, 32)


def targets(**changes):
    empty = PerceptionTargets(
        centres=torch.zeros(2, 4, 32, 32),
        boxes=torch.zeros(2, 9, 32, 32),
        box_cells=torch.zeros(SHAPE, dtype=torch.bool),
        occupancy=torch.zeros(2, 2, 32, 32, dtype=torch.bool),
        road=torch.zeros(2, 4, 32, 32, dtype=torch.bool),
        direction=torch.zeros(2, 2, 32, 32),
        future=torch.zeros(2, 3, 32, 32, dtype=torch.bool),
        flow=torch.zeros(2, 3, 2, 32, 32),
        signal=torch.full((2,), -1),
        signal_place=torch.full((2,), -1),
        agents_seen=torch.ones(SHAPE, dtype=torch.bool),
        ground_seen=torch.ones(SHAPE, dtype=torch.bool),
    )
    return empty._replace(**changes).to("cpu")


def grid(cells, value=True):
    target = torch.zeros(SHAPE, dtype=torch.bool)
    target[:, :cells, 0] = value
    return target


def test_all_losses_are_finite_and_reach_every_weight():
    network = small_network().train()
    output = network(random_input(frames=2), network.table(ring_rig()))
    centres = torch.zeros(2, 4, 32, 32)
    centres[:, :, 5, 5] = 1
    box_cells = grid(3)
    target = targets(
        centres=centres,
        box_cells=box_cells,
        direction=torch.ones(2, 2, 32, 32),
        future=grid(3)[:, None].expand(-1, 3, -1, -1),
        signal=torch.tensor([2, -1]),
        signal_place=torch.tensor([3, -1]),
    )
    parts = losses(output, target)
    assert all(torch.isfinite(value) for value in parts.values())
    parts["total"].backward()
    without = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


def test_an_empty_prediction_of_a_rare_class_costs_more_than_a_rough_one():
    """With plain cross entropy an empty prediction costs little, and the class is not learned."""
    target, seen = grid(10), torch.ones(SHAPE, dtype=torch.bool)
    empty = torch.full(SHAPE, -5.0)
    rough = torch.where(grid(16), 0.5, -3.0)
    assert grid_loss(rough, target, seen, 2.0) < 0.6 * grid_loss(empty, target, seen, 2.0)


def test_the_loss_of_a_class_does_not_depend_on_how_rare_it_is():
    seen = torch.ones(SHAPE, dtype=torch.bool)
    values = [float(grid_loss(torch.full(SHAPE, -4.0), grid(cells), seen, 2.0)) for cells in (8, 32)]
    assert values[0] == pytest.approx(values[1], rel=0.2)


def test_cells_that_no_camera_shows_do_not_count():
    seen = torch.ones(SHAPE, dtype=torch.bool)
    seen[:, :10] = False
    logits, changed = torch.zeros(SHAPE), torch.zeros(SHAPE)
    changed[:, :10] = 9.0
    target = grid(32)
    assert grid_loss(logits, target, seen, 2.0) == grid_loss(changed, target, seen, 2.0)
    heat = torch.zeros(2, 4, 32, 32)
    heat[:, 0, 3, 3] = 1
    four = logits[:, None].repeat(1, 4, 1, 1)
    assert centre_loss(four, heat, seen) == centre_loss(four + changed[:, None], heat, seen)


def test_centres_cost_nothing_when_they_are_certain_and_right():
    heat = torch.zeros(2, 4, 32, 32)
    heat[:, 1, 3, 3] = 1
    seen = torch.ones(SHAPE, dtype=torch.bool)
    right = torch.where(heat == 1, 12.0, -12.0)
    assert centre_loss(right, heat, seen) < 1e-3
    assert centre_loss(-right, heat, seen) > 10


def test_boxes_count_at_their_cells_only():
    values, target = torch.zeros(2, 9, 32, 32), torch.zeros(2, 9, 32, 32)
    target[:, 0] = 2.0
    target[:, 7] = 5.0
    assert box_gaps(values, target, grid(3)).tolist() == [2.0, 0, 0, 0, 0, 0, 0, 5.0, 0]
    assert not box_gaps(values, target, grid(0)).any()


def test_velocities_have_a_weight_of_their_own():
    network = small_network()
    with torch.no_grad():
        output = network(random_input(), network.table(ring_rig()))
    target = targets(boxes=torch.full((2, 9, 32, 32), 3.0), box_cells=grid(3))
    more = LossWeights(velocity=LossWeights().velocity + 1.0)
    parts, other = losses(output, target), losses(output, target, more)
    assert float(parts["velocity"]) > 1.0
    assert float(other["total"] - parts["total"]) == pytest.approx(float(parts["velocity"]), rel=1e-4)


def test_an_ignored_signal_costs_nothing():
    states, places = torch.randn(2, 4), torch.randn(2, 9)
    known = signal_losses(states, places, torch.tensor([2, -1]), torch.tensor([3, -1]))
    assert float(known["signal"]) == pytest.approx(float(-torch.log_softmax(states[0], 0)[2]), rel=1e-5)
    assert float(known["signal_place"]) == pytest.approx(float(-torch.log_softmax(places[0], 0)[3]), rel=1e-5)
    none = signal_losses(states, places, torch.full((2,), -1), torch.full((2,), -1))
    assert {name: float(value) for name, value in none.items()} == {"signal": 0.0, "signal_place": 0.0}


def test_a_masked_distance_is_zero_without_cells():
    values = torch.ones(2, 2, 32, 32)
    assert float(masked_distance(values, 0 * values, grid(0))) == 0.0
    assert float(masked_distance(values, 0 * values, grid(4))) == pytest.approx(1.0)
