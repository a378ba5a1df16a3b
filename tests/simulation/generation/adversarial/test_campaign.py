import json
from dataclasses import replace
from functools import partial

import pytest
from adversarial_cases import ignoring_planner, straight_scenario

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_scenarios
from simulation.benchmark.ray_tasks import RayOptions, ray_results
from simulation.generation.adversarial import output as output_module
from simulation.generation.adversarial.campaign import Budget, CampaignSettings, finished_tasks, run_campaign
from simulation.generation.adversarial.output import DATA, UNPROVED, distinct, log_name_of, summary_of, write_output
from simulation.generation.adversarial.records import TaskRecord
from simulation.generation.adversarial.results import SearchSettings
from simulation.generation.learned.further_agents import FurtherAgents
from simulation.log import SimulationLog
from simulation.scenario_notes import ScenarioNotes

FEW = SearchSettings(drives=4, generations=2, population=6)


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    root = tmp_path_factory.mktemp("straight")
    write_scenarios([straight_scenario()], root)
    return list_scenarios(DataRoot.find(root))


def campaign(entries, output, **changes):
    values = {"budget": Budget(drives=4), "search": FEW, "seed": 1, "scenes": FurtherAgents, **changes}
    return CampaignSettings(
        planner="ignore agents", make_planner=ignoring_planner, entries=entries, output=output, **values
    )


def every_file(folder):
    """Bytes by name, without the CPU times of the tasks."""
    found = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        if path.parent.name == "tasks" and path.suffix == ".json":
            content = json.dumps({**json.loads(content), "cpu_s": 0.0}).encode()
        found[str(path.relative_to(folder))] = content
    return found


@pytest.fixture(scope="module")
def searched(entries, tmp_path_factory):
    settings = campaign(entries, tmp_path_factory.mktemp("serial"))
    tasks = run_campaign(settings)
    with pytest.MonkeyPatch.context() as patch:
        # The archive's library imports slowly; test_modes covers it.
        patch.setattr(output_module, "elites", lambda descriptors, objectives: list(range(len(descriptors))))
        summary = write_output(settings, tasks)
    return settings, tasks, summary


@pytest.mark.parametrize("numbers", [{}, {"cpu_s": 5.0, "drives": 3}])
def test_a_budget_is_of_one_kind(numbers):
    with pytest.raises(ValueError, match="either a CPU time or a number of drives"):
        Budget(**numbers)


def test_a_budget_is_above_zero():
    with pytest.raises(ValueError, match="above 0, got -1"):
        Budget(drives=-1)


def test_the_solved_failures_are_scenarios_whose_log_is_the_way_out(searched):
    settings, _, summary = searched
    assert summary.solvable >= 1
    assert summary.found >= summary.plausible >= summary.solvable
    found = list_scenarios(DataRoot.find(settings.output / DATA))
    assert len(found) == summary.solvable
    scenario = open_scenario(found[0])
    assert scenario.about_track == scenario.metadata["adversary"]
    assert scenario.metadata["unchanged_scenario"] == straight_scenario().scenario_id
    assert scenario.log_name.startswith("adversarial-ignore_agents-")


def test_the_planner_fails_in_the_written_scenario_and_the_log_does_not(searched):
    from simulation.generation.adversarial.drives import DriveJob, drive_planner
    from simulation.generation.ways_out.verification import verified_score

    scenario = open_scenario(list_scenarios(DataRoot.find(searched[0].output / DATA))[0])
    (drive,) = drive_planner([DriveJob(scenario=scenario)], ignoring_planner())
    assert drive.failure is not None
    assert verified_score(scenario) > 0.3


def test_notes_and_the_failed_drives_are_written_for_the_viewer(searched):
    root = searched[0].output / DATA
    scenario = open_scenario(list_scenarios(DataRoot.find(root))[0])
    notes = ScenarioNotes.load(root / "notes" / f"{scenario.scenario_id}.notes.json")
    assert notes.is_solvable
    assert notes.track_id == scenario.about_track
    assert notes.reaction_s >= 0.8 - 1e-6
    assert notes.way_out.poses == pytest.approx(scenario.ego.rear_axle_poses[0, scenario.frames], abs=1e-2)
    (path,) = (root / "logs").glob(f"*.nonreactive.{scenario.scenario_id}.simlog")
    log = SimulationLog.load(path)
    assert log.scenario_id == scenario.scenario_id
    assert not log.planning_time_s.any()


def test_the_numbers_are_written_with_parameters_and_seed(searched):
    settings, tasks, summary = searched
    content = json.loads((settings.output / "failures.json").read_text())
    assert content["seed"] == 1
    assert content["solvable"] == summary.solvable
    assert len(content["failures"]) == summary.found
    assert {"change", "mode", "visible_s", "latest_start_s", "log_name", "folder"} <= set(content["failures"][0])
    names = {row["folder"] for row in content["failures"]}
    assert names <= {DATA, UNPROVED}
    assert "not measured" in (settings.output / "summary.md").read_text()
    assert [task.task for task in tasks] == [0]


def test_a_search_that_was_ended_continues_and_gives_the_same_files(searched, entries, tmp_path, monkeypatch):
    monkeypatch.setattr(output_module, "elites", lambda descriptors, objectives: list(range(len(descriptors))))
    settings = campaign(entries, tmp_path / "again")
    write_output(settings, run_campaign(settings))
    first = searched[0].output
    for name in ("failures.json", "summary.md"):
        assert (settings.output / name).read_bytes() == (first / name).read_bytes()
    with pytest.raises(FileExistsError, match="Continue it with --resume"):
        run_campaign(settings)
    assert len(run_campaign(replace(settings, resume=True))) == 1
    with pytest.raises(ValueError, match="holds a search with other seed"):
        run_campaign(replace(settings, resume=True, seed=2))


def test_on_ray_equal_seeds_give_equal_bytes(searched, entries, tmp_path, monkeypatch):
    monkeypatch.setattr(output_module, "elites", lambda descriptors, objectives: list(range(len(descriptors))))
    settings = campaign(entries, tmp_path / "ray", run_tasks=partial(ray_results, settings=RayOptions(workers=2)))
    write_output(settings, run_campaign(settings))
    expected, made = every_file(searched[0].output), every_file(settings.output)
    assert any(name.startswith(f"{DATA}/") for name in made)
    assert list(made) == list(expected)
    assert [name for name in made if made[name] != expected[name]] == []


def test_tasks_round_trip_and_damaged_ones_are_named(searched, tmp_path):
    _, tasks, _ = searched
    path = tmp_path / "00000.json"
    tasks[0].write(path)
    assert TaskRecord.read(path) == tasks[0]
    path.write_text("{}")
    with pytest.raises(ValueError, match="is damaged"):
        TaskRecord.read(path)


def test_no_scenario_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no scenario to search"):
        run_campaign(campaign([], tmp_path))


def test_repeated_failures_of_a_mode_count_once(searched):
    _, tasks, summary = searched
    failures = list(tasks[0].failures)
    assert len(distinct(failures + failures)) == len(distinct(failures)) == summary.found
    worse = replace(failures[0], latest_start_s=None, way_out_score=None, place=9)
    assert worse not in distinct([worse, failures[0]]) or not failures[0].is_solved


def test_log_names_have_only_harmless_characters(searched):
    record = searched[1][0].failures[0]
    name = log_name_of("my.module:My/Planner", 3, record)
    assert name.startswith("adversarial-my.module_My_Planner-")
    assert "-s3-t00000-" in name


def test_a_search_without_failures_has_an_empty_summary():
    task = TaskRecord(
        task=0,
        scenario_id="0" * 16,
        scenario_type="unknown",
        source_log="log",
        map_name="map",
        drives=3,
        screened=9,
        too_rare=1,
        no_way_out=2,
        skipped="",
        not_drawn="the map has left-hand traffic",
        errors=("RuntimeError: no",),
        failures=(),
        cpu_s=2.0,
    )
    summary = summary_of("idm", [task])
    assert (summary.found, summary.solvable, summary.errors) == (0, 0, 1)
    assert summary.solved_per_minute == 0.0
    text = output_module.markdown(summary, [])
    assert "The search found no failure" in text
    assert "Without neighbours of the scene network: the map has left-hand traffic (1)." in text


def test_finished_tasks_are_those_with_a_record(searched):
    assert list(finished_tasks(searched[0].output)) == [0]
