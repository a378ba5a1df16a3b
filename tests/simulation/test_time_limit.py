import threading
import time

import numpy as np
import pytest

from simulation.time_limit import StepTimeoutError, time_limit


def test_python_code_is_interrupted_while_it_runs():
    reached = []

    def work():
        with time_limit(0.05, "The plan of step 3"):
            time.sleep(3.0)
            reached.append("end")

    with pytest.raises(StepTimeoutError, match=r"The plan of step 3 took longer than 0\.05 s\."):
        work()
    assert reached == []


def test_other_threads_are_checked_at_the_end():
    caught = []

    def work():
        try:
            with time_limit(0.01, "The plan"):
                time.sleep(0.05)
        except StepTimeoutError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_a_body_within_its_limit_passes_and_leaves_no_alarm():
    with time_limit(0.05, "The plan"):
        pass
    with time_limit(np.inf, "The plan"):
        pass
    time.sleep(0.1)


def test_errors_of_the_body_are_not_changed():
    with pytest.raises(ZeroDivisionError), time_limit(5.0, "The plan"):
        raise ZeroDivisionError
