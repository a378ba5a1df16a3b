import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulation.process_tasks import task_results

POOL = """
import os, time
from simulation.process_tasks import task_results

class Sleeper:
    def run(self, path):
        with open(path, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(60)

if __name__ == "__main__":
    list(task_results(Sleeper, iter([PATHS[0], PATHS[1]]), 2))
"""


class _Doubler:
    def run(self, task):
        return 2 * task


def test_one_worker_takes_a_task_when_the_result_before_is_used():
    taken = []

    def tasks():
        for number in range(3):
            taken.append(number)
            yield number

    results = task_results(_Doubler, tasks(), 1)
    assert next(results) == 0
    assert taken == [0]
    assert list(results) == [2, 4]


def test_no_tasks_give_no_results():
    assert list(task_results(_Doubler, iter(()), 1)) == []


def test_an_error_of_a_task_is_raised():
    class Failing:
        def run(self, task):
            raise ValueError(f"no task {task}")

    with pytest.raises(ValueError, match="no task 7"):
        list(task_results(Failing, iter([7]), 1))


class _Ending:
    def run(self, task):
        os._exit(task)


def test_the_death_of_a_worker_is_a_sentence():
    with pytest.raises(ChildProcessError, match=r"killed or out of memory\. Finished work is kept"):
        list(task_results(_Ending, iter([1]), 2))


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the states of processes from /proc")
def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path):
    paths = [tmp_path / "first", tmp_path / "second"]
    (tmp_path / "pool.py").write_text(POOL.replace("PATHS", str([str(path) for path in paths])))
    root = Path(__file__).parents[2]
    driver = subprocess.Popen([sys.executable, tmp_path / "pool.py"], env={**os.environ, "PYTHONPATH": str(root)})
    wait_for(lambda: all(path.exists() and path.read_text() for path in paths))
    workers = [int(path.read_text()) for path in paths]
    assert all(is_alive(pid) for pid in workers)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in workers))


def wait_for(condition) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s, "timed out"
        time.sleep(0.05)
