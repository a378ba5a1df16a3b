from learning.processes import TrainingProcess, join_process_group, leave_process_group, wait_for_all


def test_a_single_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    process = join_process_group()
    assert (process.rank, process.world_size) == (0, 1)
    assert process.is_first
    assert not TrainingProcess(rank=1, world_size=2).is_first
    wait_for_all()
    leave_process_group()
