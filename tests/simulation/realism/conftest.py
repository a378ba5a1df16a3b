"""A straight road of two lanes each way from x = 0 to 200 m, in the map's first half; the second half follows it."""

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder
from simulation.realism.snapshots import SceneSnapshot

ORIGIN = np.array([664_400.0, 3_997_600.0])


@pytest.fixture(scope="session")
def road():
    """Lane centres at y = -1.75 and -5.25 (to the east), 1.75 and 5.25 (to the west); a connector at 100 to 110 m."""
    builder = RoadBuilder(origin=tuple(ORIGIN), first_id=1)
    west = builder.add_road(straight((0.0, 0.0), (100.0, 0.0)), lanes_forward=2, lanes_backward=2)
    east = builder.add_road(straight((110.0, 0.0), (200.0, 0.0)), lanes_forward=2, lanes_backward=2)
    joint = builder.add_intersection()
    for lane in range(2):
        builder.add_connector(west.forward_lanes[lane], east.forward_lanes[lane], joint)
    return builder.build()


@pytest.fixture(scope="session")
def scene(road):
    """Function that makes a snapshot of cars of 4 by 2 m at (x, y, heading, speed); the first one is the ego."""

    def make(*cars, kinds=None, source="log", sizes=None):
        values = np.array(cars, dtype=float)
        return SceneSnapshot(
            map=road,
            source=source,
            kinds=np.array(kinds or [AgentKind.VEHICLE] * len(cars), dtype=np.int8),
            poses=np.column_stack([values[:, :2] + ORIGIN, values[:, 2]]),
            sizes=np.array(sizes or [[4.0, 2.0]] * len(cars)),
            speeds_mps=values[:, 3],
        )

    return make
