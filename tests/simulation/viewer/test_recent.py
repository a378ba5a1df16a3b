import threading

import pytest

from simulation.viewer.recent import Recent


def test_a_value_is_made_once_and_the_least_recently_used_is_dropped():
    made = []
    store = Recent(2)
    for key in (1, 2, 1, 3, 1, 2):
        assert store.get(key, lambda key=key: made.append(key) or key * 10) == key * 10
    assert made == [1, 2, 3, 2]


def test_a_slow_value_does_not_block_other_keys():
    store, release = Recent(4), threading.Event()
    slow = threading.Thread(target=lambda: store.get("slow", release.wait))
    slow.start()
    assert store.get("quick", lambda: 7) == 7
    release.set()
    slow.join(timeout=5)
    assert not slow.is_alive()


def test_concurrent_requests_for_one_key_make_its_value_once():
    store, made, release = Recent(4), [], threading.Event()

    def make():
        release.wait()
        made.append(1)
        return len(made)

    threads = [threading.Thread(target=lambda: store.get("key", make)) for _ in range(3)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(timeout=5)
    assert made == [1]


def test_a_failure_is_not_kept():
    store = Recent(2)

    def fail():
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        store.get("key", fail)
    assert store.get("key", lambda: 5) == 5
