import json

import numpy as np
import pytest
from recording_sources import av2_segment

from driving.importers.argoverse2_map import CITIES, read_map
from driving.importers.notes import ImportNotes

AWAY = np.full((1, 3), -1e3)
"""A pose that is on no lane."""


def write(folder, *segments, code="PIT", **layers):
    """The map of a log."""
    (folder / "map").mkdir()
    document = {
        "lane_segments": {str(segment["id"]): segment for segment in segments},
        "drivable_areas": {},
        "pedestrian_crossings": {},
        **layers,
    }
    path = folder / "map" / f"log_map_archive_x____{code}_city_1.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("code", "epsg"), [("PIT", 32617), ("MIA", 32617), ("DTW", 32617), ("ATX", 32614), ("PAO", 32610), ("WDC", 32618)]
)
def test_each_city_has_its_zone(tmp_path, code, epsg):
    write(tmp_path, av2_segment(1, (0, 50), 0), code=code)
    city_map = read_map(tmp_path, AWAY, ImportNotes())
    assert city_map.graph.epsg == epsg
    assert city_map.city == CITIES[code][0]


def test_only_neighbors_of_one_direction_share_a_roadblock(tmp_path):
    opposite = av2_segment(3, (50, 0), 8, width=-4.0, left=2)
    write(tmp_path, av2_segment(1, (0, 50), -4, left=2), av2_segment(2, (0, 50), 0, right=1, left=3), opposite)
    graph = read_map(tmp_path, AWAY, ImportNotes()).graph
    # Without links, each lane is cut in half.
    assert len(graph.roadblocks) == 4
    assert graph.lanes.num_lanes == 6


@pytest.mark.parametrize("layer", ["lane_segments", "drivable_areas", "pedestrian_crossings"])
def test_a_map_without_a_layer_is_refused(tmp_path, layer):
    path = write(tmp_path, av2_segment(1, (0, 50), 0))
    document = json.loads(path.read_text())
    del document[layer]
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rf"____PIT_city_1.json is no Argoverse 2 map: KeyError: '{layer}'"):
        read_map(tmp_path, AWAY, ImportNotes())


def test_a_log_without_map_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no map/log_map_archive_"):
        read_map(tmp_path, AWAY, ImportNotes())
