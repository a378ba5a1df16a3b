import pytest

from simulation.process_tasks import task_results


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
