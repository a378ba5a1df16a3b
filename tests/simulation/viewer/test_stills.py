import io
import json
import re
import shutil

import numpy as np
import pytest
from noted_scenarios import FAILURE_S, LATEST_START_S, SURPRISE_S
from PIL import Image

from simulation.drawing.palette import LIGHT
from simulation.scenario_notes import ScenarioNotes
from simulation.viewer.answers import Viewer
from simulation.viewer.listing import cards
from simulation.viewer.packing import unpack
from simulation.viewer.sources import open_sources
from simulation.viewer.stills import SIZE_PX


@pytest.fixture(scope="module")
def source(results_with_notes):
    return open_sources([results_with_notes], None, None)[0]


def still_of(source, key):
    return Image.open(io.BytesIO(Viewer([source]).still(source.name, key)))


def near(image, color):
    """Number of pixels near a colour; JPEG changes them a little."""
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(np.asarray(image.convert("RGB")).astype(int) - wanted).sum(axis=-1) < 60).sum())


def test_a_card_names_failure_times_and_the_drive_of_the_planner(source, noted_drives):
    found = {card["scenario"]: card for card in cards(source, source.rows())}
    assert set(found) == {row.scenario for row in noted_drives}
    solved, unsolved = (found[row.scenario] for row in noted_drives)
    assert solved["key"] == noted_drives[0].key
    assert solved["planner"] == "simple"
    assert (solved["failure_s"], solved["surprise_s"], solved["latest_start_s"]) == (
        FAILURE_S,
        SURPRISE_S,
        LATEST_START_S,
    )
    assert solved["is_solvable"] is True
    assert 0 < solved["rarity"] < 1
    assert unsolved["is_solvable"] is False
    assert unsolved["mode"] == "hard_braking"


def test_without_a_drive_of_the_planner_a_card_opens_the_worst_drive(source, results, tmp_path):
    row = source.rows()[0]
    ScenarioNotes(scenario_id=row.scenario, planner="another", failure="It fails.").save(tmp_path)
    other = open_sources([results], None, None, notes=tmp_path)[0]
    (card,) = cards(other, other.rows())
    drives = [one for one in other.rows() if one.scenario == row.scenario]
    assert card["key"] == min(drives, key=lambda one: one.sort_score).key
    assert card["planner"] == "another"


def test_notes_about_scenarios_of_other_folders_have_no_card(source, results, tmp_path):
    ScenarioNotes(scenario_id="elsewhere", failure="It fails.").save(tmp_path)
    other = open_sources([results], None, None, notes=tmp_path)[0]
    assert cards(other, other.rows()) == []


def test_the_still_picture_shows_ego_and_way_out(source, noted_drives):
    solved, unsolved = (still_of(source, row.key) for row in noted_drives)
    assert solved.size == unsolved.size == SIZE_PX
    for image in (solved, unsolved):
        assert near(image, LIGHT.drives[0]) > 100
        assert near(image, LIGHT.ground) > 1000
    assert near(solved, LIGHT.way_out) > near(unsolved, LIGHT.way_out)


def test_drives_without_notes_and_without_a_map_have_a_still_picture(source, noted_drives, tmp_path):
    other = next(row for row in source.rows() if row.scenario not in {one.scenario for one in noted_drives})
    assert still_of(source, other.key).size == SIZE_PX
    shutil.copytree(source.folder, tmp_path / "results")
    (tmp_path / "results" / "run.json").unlink()
    bare = open_sources([tmp_path / "results"], None, None)[0]
    assert still_of(bare, noted_drives[0].key).size == SIZE_PX


def test_the_notes_of_a_drive_are_answered_or_refused(source, noted_drives):
    viewer = Viewer([source])
    header, arrays = unpack(viewer.notes(source.name, noted_drives[0].key))
    assert header["scenario"] == noted_drives[0].scenario
    assert header["num_samples"] == 3
    assert set(arrays["samples.of"].tolist()) == {0, 1, 2}
    other = next(row for row in source.rows() if row.scenario not in {one.scenario for one in noted_drives})
    with pytest.raises(FileNotFoundError, match="no readable notes"):
        viewer.notes(source.name, other.key)


def test_a_saved_replay_holds_its_notes(source, noted_drives):
    key = noted_drives[0].key
    page = Viewer([source]).saved([(source.name, key)], "replay")
    assert f"notes/{source.name}/{key}".encode() in page


def test_a_saved_gallery_holds_a_replay_and_a_picture_of_each_failure(source, noted_drives):
    page = Viewer([source]).saved_gallery("gallery").decode()
    answers = set(re.findall(r'data-answer="([^"]+)"', page))
    for row in noted_drives:
        assert {f"{kind}/{source.name}/{row.key}" for kind in ("drive", "scene", "notes", "evaluation")} <= answers
        assert f'data-image="still/{source.name}/{row.key}"' in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"'](?!data:)", page)
    assert len(page) < 3e6


def test_a_gallery_without_failures_is_refused(results):
    source = open_sources([results], None, None)[0]
    assert json.loads(Viewer([source]).listing())["notes"] == []
    with pytest.raises(ValueError, match="no gallery to save"):
        Viewer([source]).saved_gallery("gallery")
