"""Small hand-made sources of each importer format, with known results."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather

STEPS = 40
"""Of the hand-made logs: 3.9 s."""

START_NS = 1_600_000_000_000_000_000


def av2_segment(key, x, y, *, width=4.0, is_intersection=False, successors=(), left=None, right=None, kind="VEHICLE"):
    """A lane segment along x with its right boundary at `y`."""
    return {
        "id": key,
        "is_intersection": is_intersection,
        "lane_type": kind,
        "left_lane_boundary": [{"x": float(at), "y": y + width, "z": 0.0} for at in x],
        "right_lane_boundary": [{"x": float(at), "y": float(y), "z": 0.0} for at in x],
        "successors": list(successors),
        "predecessors": [],
        "left_neighbor_id": left,
        "right_neighbor_id": right,
    }


def write_av2_log(folder: Path) -> Path:
    """An ego at 10 m/s along x from x = 10 in the right of two lanes, through a junction at x = 30 to 40.

    A car of 4 x 2 m drives 20 m ahead of the ego's rear axle at the same speed; a cone stands at (5, 10).
    """
    log = folder / "0a0b0c0d-mini"
    (log / "map").mkdir(parents=True)
    segments = [
        av2_segment(1, (0, 30), 0, successors=[3], left=2),
        av2_segment(2, (0, 30), 4, successors=[4], right=1),
        av2_segment(3, (30, 40), 0, is_intersection=True, successors=[5], left=4),
        av2_segment(4, (30, 40), 4, is_intersection=True, successors=[6], right=3),
        av2_segment(5, (40, 100), 0, left=6),
        av2_segment(6, (40, 100), 4, right=5),
        av2_segment(7, (0, 100), -2, width=2.0, kind="BIKE"),
        # Of the opposite direction; both are neighbors on their left side.
        {
            **av2_segment(8, (100, 0), 12, width=-4.0, left=2),
            "successors": [999],
        },
    ]
    document = {
        "lane_segments": {str(segment["id"]): segment for segment in segments},
        "drivable_areas": {
            "1": {"area_boundary": [{"x": x, "y": y, "z": 0.0} for x, y in ((0, -2), (100, -2), (100, 12), (0, 12))]}
        },
        "pedestrian_crossings": {
            "1": {
                "edge1": [{"x": 28.0, "y": 0.0, "z": 0.0}, {"x": 28.0, "y": 8.0, "z": 0.0}],
                "edge2": [{"x": 30.0, "y": 0.0, "z": 0.0}, {"x": 30.0, "y": 8.0, "z": 0.0}],
            }
        },
    }
    (log / "map" / "log_map_archive_0a0b0c0d-mini____PIT_city_1.json").write_text(json.dumps(document))
    # Poses every 10 ms, boxes every 100 ms.
    pose_ns = START_NS + 10_000_000 * np.arange(-2, (STEPS - 1) * 10 + 3)
    seconds = (pose_ns - START_NS) / 1e9
    pyarrow.feather.write_feather(
        pa.table({"timestamp_ns": pose_ns, **level_pose(10.0 + 10.0 * seconds, np.full(len(seconds), 2.0))}),
        log / "city_SE3_egovehicle.feather",
    )
    write_boxes(
        log,
        [
            box(START_NS + 100_000_000 * step, track, category, x, y, size)
            for step in range(STEPS)
            for track, category, x, y, size in (
                ("ego", "EGO_VEHICLE", 1.4, 0.0, (4.8, 1.9)),
                ("lead", "REGULAR_VEHICLE", 20.0, 0.0, (4.0, 2.0)),
                ("cone", "CONSTRUCTION_CONE", 5.0 - 10.0 - step, 8.0, (0.4, 0.4)),
            )
        ],
    )
    return log


def level_pose(x, y):
    """Pose columns without rotation."""
    ones, zeros = np.ones(len(x)), np.zeros(len(x))
    return {"qw": ones, "qx": zeros, "qy": zeros, "qz": zeros, "tx_m": x, "ty_m": y, "tz_m": zeros}


def box(time_ns, track, category, x, y, size):
    pose = {"qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0, "tx_m": x, "ty_m": y, "tz_m": 0.8}
    return {
        "timestamp_ns": time_ns,
        "track_uuid": track,
        "category": category,
        "length_m": size[0],
        "width_m": size[1],
        "height_m": 1.5,
        **pose,
    }


def write_boxes(log, rows):
    columns = box(0, "", "", 0.0, 0.0, (0.0, 0.0))
    pyarrow.feather.write_feather(
        pa.table({name: [row[name] for row in rows] for name in columns}), log / "annotations.feather"
    )


def write_archive(folder: Path) -> Path:
    """One scene: the ego at 10 m/s along x from x = 5, y = 2; a parked car; a pedestrian that is observed for 1 s."""
    root = folder / "archive"
    (root / "tracks").mkdir(parents=True)
    (root / "maps").mkdir()
    time_s = np.arange(STEPS) / 10
    position = np.zeros((3, STEPS, 3))
    position[0, :, 0], position[0, :, 1] = 5 + 10 * time_s, 2.0
    position[1] = (60.0, 6.0, 0.0)
    position[2, :, 0], position[2, :, 1] = 80.0, 1.5 * time_s
    valid = np.ones((3, STEPS), dtype=bool)
    valid[2, 11:] = False
    np.savez(
        root / "tracks" / "drive.npz",
        t=time_s,
        track_id=np.array(["ego", "parked", "walker"]),
        type=np.array(["VEHICLE", "VEHICLE", "PEDESTRIAN"]),
        position=position,
        heading=np.stack([np.zeros(STEPS), np.zeros(STEPS), np.full(STEPS, np.pi / 2)]),
        valid=valid,
        size_lwh=np.array([[4.1, 1.7, 1.5], [4.5, 1.8, 1.4], [0.6, 0.6, 1.7]]),
        map_name=np.array("testville"),
        date=np.array("2020-03-01"),
    )
    lanes = {
        "a": lane("lane", (0, 30), 2.0, successors=["ab"], width=4.0, end=34.0),
        "b": lane("lane", (50, 160), 2.0, predecessors=["ab"], width=4.0),
        "c": lane("lane", (50, 160), 5.5, predecessors=[], width=3.0),
        "ab": lane("lane_connector", (30, 50), 2.0, predecessors=["a"], successors=["b"]),
    }
    (root / "maps" / "drive.json").write_text(json.dumps({"lanes": lanes, "driving_side": "left"}))
    area = {"type": "Polygon", "coordinates": [[[-50, -1], [300, -1], [300, 8], [-50, 8], [-50, -1]]]}
    (root / "maps" / "drivable_area_testville.geojson").write_text(json.dumps(area))
    return root


def lane(kind, x, y, *, successors=(), predecessors=(), width=None, end=None):
    """A lane along x. With a width it has a polygon, which may extend to `end`."""
    points = [[float(at), y, 0.0] for at in np.linspace(x[0], x[1], 6)]
    entry = {"kind": kind, "centerline": points, "successors": list(successors), "predecessors": list(predecessors)}
    if width is not None:
        low, high, last = y - width / 2, y + width / 2, x[1] if end is None else end
        entry["polygon"] = [[x[0], low], [last, low], [last, high], [x[0], high]]
    return entry


CAR = """
  <dynamicObstacle id="{key}"><type>{kind}</type>
    <shape><rectangle><length>4.0</length><width>2.0</width></rectangle></shape>
    <initialState>{first}</initialState><trajectory>{rest}</trajectory>
  </dynamicObstacle>"""

STATE = (
    "<position><point><x>{x}</x><y>{y}</y></point></position><orientation><exact>0</exact></orientation>"
    "<time><exact>{step}</exact></time><velocity><exact>10</exact></velocity>"
)

LANELET = """
  <lanelet id="{key}"><leftBound>{left}</leftBound><rightBound>{right}</rightBound>{links}
    <laneletType>urban</laneletType><trafficSignRef ref="90"/></lanelet>"""

COMMONROAD = """<?xml version="1.0"?>
<commonRoad commonRoadVersion="2020a" benchmarkID="ZAM_Mini-1_1_T-1" date="2020-03-01" author="A. Uthor"
  source="by hand" timeStepSize="0.1">
  <location><gpsLatitude>48.262</gpsLatitude><gpsLongitude>11.668</gpsLongitude></location>
  <scenarioTags><urban/></scenarioTags>{lanelets}
  <trafficSign id="90"><trafficSignElement><trafficSignID>274</trafficSignID>
    <additionalValue>12.5</additionalValue></trafficSignElement></trafficSign>{cars}
  <planningProblem id="100"><initialState><position><point><x>9</x><y>2</y></point></position></initialState>
  </planningProblem>
</commonRoad>
"""


def car(key, x, y, *, kind="car", steps=STEPS):
    states = [STATE.format(x=x + step, y=y, step=step) for step in range(steps)]
    rest = "".join(f"<state>{state}</state>" for state in states[1:])
    return CAR.format(key=key, kind=kind, first=states[0], rest=rest)


def lanelet(key, x, y, links=""):
    left, right = ("".join(f"<point><x>{at}</x><y>{side}</y></point>" for at in x) for side in (y + 4.0, y))
    return LANELET.format(key=key, left=left, right=right, links=links)


def write_commonroad(folder: Path) -> Path:
    """Two roadblocks of two lanelets; cars at 10 m/s: 7 and 8 for 3.9 s, 9 for 1 s."""
    lanelets = [
        lanelet(1, (0, 50), 0.0, '<successor ref="2"/><adjacentLeft ref="3" drivingDir="same"/>'),
        lanelet(2, (50, 150), 0.0, '<predecessor ref="1"/><adjacentLeft ref="4" drivingDir="same"/>'),
        lanelet(3, (0, 50), 4.0, '<successor ref="4"/><adjacentRight ref="1" drivingDir="same"/>'),
        lanelet(4, (50, 150), 4.0, '<predecessor ref="3"/><adjacentRight ref="2" drivingDir="same"/>'),
    ]
    cars = [car(7, 10, 2.0), car(8, 30, 6.0, kind="truck"), car(9, 9, 2.0, steps=11)]
    path = folder / "mini.xml"
    path.write_text(COMMONROAD.format(lanelets="".join(lanelets), cars="".join(cars)))
    return path
