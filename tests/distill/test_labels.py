"""Label files: round trip, resuming, and refusal of labels with another header."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from distill.labels import HEADER, LabelHeader, LabelStore
from distill.states import StateSettings
from distill.teacher import RuleTeacher


@pytest.fixture
def header(vocabulary) -> LabelHeader:
    return LabelHeader.of(RuleTeacher(vocabulary))


def test_written_labels_are_read_unchanged(tmp_path, header, labelled):
    store = LabelStore(tmp_path / "labels", header)
    store.write("b", labelled.take(np.arange(3)), "first_town")
    store.write("a", labelled.take(np.arange(3, 5)), "second_town")
    store.write("nothing", None, "empty_town")
    found = LabelStore(tmp_path / "labels").read()
    assert store.sources() == (set(found.scenario_ids), {"first_town", "second_town"})
    assert found.scenario_ids == (*labelled.scenario_ids[3:5], *labelled.scenario_ids[:3])
    assert np.array_equal(found.scores, labelled.scores[[3, 4, 0, 1, 2]])
    assert np.array_equal(found.example, labelled.example[[3, 4, 0, 1, 2]], equal_nan=True)
    assert np.array_equal(found.features["agents"], labelled.features["agents"][[3, 4, 0, 1, 2]])
    assert found.ego_states.dtype == np.float64


def test_labels_without_the_name_of_their_map_have_no_sources(tmp_path, header, labelled):
    store = LabelStore(tmp_path, header)
    store.write("one", labelled.take(np.arange(1)))
    with pytest.raises(ValueError, match=r"one\.parquet does not name the map of its states. Label again"):
        store.sources()


def test_finished_parts_are_recognised_when_labelling_resumes(tmp_path, header, labelled):
    store = LabelStore(tmp_path, header)
    store.write("one", labelled.take(np.arange(1)))
    again = LabelStore(tmp_path, header)
    assert again.has("one")
    assert not again.has("two")
    assert not list(tmp_path.glob("*.part"))


def test_a_part_of_other_settings_is_refused(tmp_path, header, labelled):
    store = LabelStore(tmp_path, header)
    store.write("one", labelled.take(np.arange(1)), settings={"every_steps": 15, "sight_m": (12.0, 45.0)})
    store.write("earlier", None)
    assert store.has("one", {"every_steps": 15, "sight_m": (12.0, 45.0), "added_later": True})
    assert store.has("earlier", {"every_steps": 10})
    with pytest.raises(ValueError, match=r"one\.parquet was made with unlimited_share 0\.0, expected 0\.3"):
        store.has("one", {"every_steps": 15, "unlimited_share": 0.3})
    assert not store.has("two", {"every_steps": 10})
    with pytest.raises(ValueError, match=r"one\.parquet was made with every_steps 15, expected 10. Label into"):
        store.has("one", {"every_steps": 10})


def test_scenarios_with_a_variation_can_be_left_out(tmp_path, header, labelled):
    store = LabelStore(tmp_path, header)
    driven = {"driven_by": "student"}
    store.write("plain", labelled.take(np.arange(2)), settings={**asdict(StateSettings()), **driven})
    unlit = asdict(StateSettings(unlit_share=1.0, followed_share=1.0))
    store.write("unlit", labelled.take(np.arange(2, 5)), settings={**unlit, **driven})
    assert [len(store.read(names)) for names in ((), ("unlit",), ("followed",), ("empty",))] == [5, 2, 2, 5]
    store.write("earlier", labelled.take(np.arange(1)))
    with pytest.raises(ValueError, match=r"earlier\.parquet does not say which variations"):
        store.read(("empty",))
    only = LabelStore(tmp_path / "only", header)
    only.write("unlit", labelled, settings=unlit)
    with pytest.raises(ValueError, match="holds no labelled state besides those of scenarios with unlit"):
        only.read(("unlit",))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"vocabulary": "f" * 16}, "have vocabulary"),
        ({"teacher": "rules.0"}, f"have teacher {RuleTeacher.version}, expected rules.0"),
        ({"features": "features.0"}, "have features"),
        ({"sub_scores": ("no_collision",)}, "have sub scores"),
        ({"entries": 7}, "have entries 48, expected 7"),
    ],
)
def test_labels_with_another_header_are_refused(tmp_path, header, change, match):
    LabelStore(tmp_path, header)
    with pytest.raises(ValueError, match=match):
        LabelStore(tmp_path, replace(header, **change))


def test_empty_missing_and_damaged_stores_raise(tmp_path, header):
    with pytest.raises(FileNotFoundError, match="No labels in"):
        LabelStore(tmp_path / "nowhere")
    store = LabelStore(tmp_path, header)
    with pytest.raises(ValueError, match="holds no labelled state"):
        store.read()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match="is damaged"):
        store.read()
    (tmp_path / HEADER).write_text(json.dumps({"format": "camber.labels.0"}))
    with pytest.raises(ValueError, match=r"format camber\.labels\.0"):
        LabelStore(tmp_path)


def test_a_part_that_labels_another_number_of_entries_is_refused(tmp_path, header, labelled):
    store = LabelStore(tmp_path, header)
    store.write("few", replace(labelled, scores=labelled.scores[:, :8]))
    with pytest.raises(ValueError, match="labels 8 entries, its header 48"):
        store.read()


def test_future_positions_belong_to_the_agents_of_the_tokens(labelled):
    rows = [row for row in range(len(labelled)) if labelled.features["agents_mask"][row].any()]
    row = rows[0]
    now = labelled.features["agents"][row, 0, :2] * 20.0
    ahead = labelled.agents_ahead[row, 0]
    assert np.isfinite(ahead).all()
    assert np.hypot(*(ahead[0] - now)) < 15.0
