"""The queue of a store: order, room, errors, and what stays when a run is cut off."""

import threading

import pytest

from neurolens.extract.stream.stores.queue import WriteQueue, limit_waiting


def test_things_are_written_in_the_order_in_which_they_came():
    written = []
    queue = WriteQueue(100)
    for number in range(50):
        queue.put(7, lambda number=number: written.append(number))
    queue.flush()
    assert written == list(range(50))
    queue.put(7, lambda: written.append("again"))
    queue.flush()
    assert written[-1] == "again"


def test_no_more_waits_than_there_is_room_for():
    go_on = threading.Event()
    queue = WriteQueue(100)
    queue.put(60, go_on.wait)
    queue.put(40, lambda: None)
    fits = threading.Event()

    def put_more():
        queue.put(1, lambda: None)
        fits.set()

    thread = threading.Thread(target=put_more)
    thread.start()
    assert not fits.wait(0.05)
    go_on.set()
    assert fits.wait(10)
    thread.join()
    queue.flush()


def test_a_thing_that_is_larger_than_the_room_is_written_alone():
    written = []
    queue = WriteQueue(10)
    for size in (1000, 3, 1000):
        queue.put(size, lambda size=size: written.append(size))
    queue.flush()
    assert written == [1000, 3, 1000]


def test_an_error_is_raised_by_the_next_call_and_nothing_more_is_written():
    written = []
    queue = WriteQueue(100)

    def fail():
        raise OSError("the disk is full")

    queue.put(1, fail)
    with pytest.raises(OSError, match="the disk is full"):
        queue.flush()
    with pytest.raises(OSError, match="the disk is full"):
        queue.put(1, lambda: written.append(1))
    queue.abandon()
    assert written == []


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_complete_is_written_when_a_run_is_cut_off(waits):
    written = []
    go_on = threading.Event()
    queue = WriteQueue(100)
    queue.put(1, go_on.wait if waits else lambda: None)
    queue.put(1, lambda: written.append("a part"))
    queue.put(0, lambda: written.append("its end"), is_last=True)
    queue.put(1, lambda: written.append("a part of the next"))
    threading.Timer(0.05, go_on.set).start()
    queue.abandon()
    assert written[:2] == ["a part", "its end"]
    assert not waits or len(written) == 2


def test_room_follows_the_budget():
    assert limit_waiting(8000) == 1000
    assert limit_waiting(2**40) == 2**27
