"""Pictures of perceived boxes and roads."""

import numpy as np
import pytest
from small_perception import GRID, ring_rig

from driving.geometry import solid_corners
from perception.boxes import Boxes
from perception.contract import CENTRE_CLASSES, ROAD_CLASSES
from perception.decoding import Detections, PerceivedGrid
from perception.drawing import (
    CELL_PX,
    COLOURS,
    EGO,
    ROAD_COLOURS,
    box_records,
    drawn_boxes,
    drawn_from_above,
)

VEHICLE = Detections(
    boxes=Boxes(
        classes=np.array([CENTRE_CLASSES.index("vehicle")]),
        poses=np.array([[6.0, 0.0, 0.0]]),
        sizes_m=np.array([[2.0, 2.0, 1.5]]),
        velocities_mps=np.array([[3.0, 0.0]]),
    ),
    scores=np.array([0.9]),
)


def grid(road):
    zeros = np.zeros((3, *GRID.shape), dtype=np.float32)
    return PerceivedGrid(
        grid=GRID,
        occupancy=zeros[:2],
        road=road.astype(np.float32),
        direction=zeros[:2],
        future=zeros,
        flow_m=np.zeros((3, 2, *GRID.shape), dtype=np.float32),
    )


def test_a_box_ahead_is_drawn_in_the_front_image_where_it_projects():
    rig = ring_rig(size=(640, 320))
    image = np.zeros((320, 640, 3), dtype=np.uint8)
    front, rear = (np.asarray(drawn_boxes(image, rig, camera, VEHICLE)) for camera in (0, 2))
    assert not rear.any()
    rows, columns = np.nonzero((front == COLOURS["vehicle"]).all(axis=-1))
    pixels, _ = rig.project(0, solid_corners(VEHICLE.boxes.poses[0], VEHICLE.boxes.sizes_m[0]))
    assert columns.min() == pytest.approx(pixels[:, 0].min(), abs=2)
    assert columns.max() == pytest.approx(pixels[:, 0].max(), abs=2)
    assert rows.max() == pytest.approx(pixels[:, 1].max(), abs=2)


def test_from_above_the_road_ahead_is_at_the_top_and_the_left_at_the_left():
    road = np.zeros((len(ROAD_CLASSES), *GRID.shape))
    road[0, -4:, -4:] = 1.0
    picture = np.asarray(drawn_from_above(grid(road), Detections.none()))
    assert picture.shape == (GRID.shape[0] * CELL_PX, GRID.shape[1] * CELL_PX, 3)
    assert picture[2, 2].tolist() == list(ROAD_COLOURS["drivable"])
    assert picture[-3, -3].tolist() == [30, 30, 30]
    assert (picture == EGO).all(axis=-1).any()


def test_boxes_become_records_with_units_in_their_names():
    (record,) = box_records(VEHICLE)
    assert record["class"] == "vehicle"
    assert (record["x_m"], record["length_m"], record["velocity_x_mps"], record["score"]) == (6.0, 2.0, 3.0, 0.9)
