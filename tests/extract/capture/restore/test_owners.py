"""Threads that run one model take turns."""

import threading

import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.capture.restore import evaluation_mode, hold_model


def run_in_thread(work):
    """Run a function in a thread; return the thread and the list that gets its result or error."""
    got = []

    def call():
        try:
            got.append(work())
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread, got


def test_another_thread_waits_until_the_model_is_free():
    net = nn.Sequential(nn.Dropout()).train()
    with evaluation_mode(net):
        thread, got = run_in_thread(lambda: nl.trace(net, torch.ones(2)) and net.training)
        thread.join(0.2)
        assert thread.is_alive()
        assert not net.training
    thread.join(20)
    assert got == [True]


def test_models_that_share_a_module_take_turns_and_others_do_not():
    shared = nn.Linear(2, 2)
    with hold_model(nn.Sequential(shared)):
        waiting, _ = run_in_thread(lambda: nl.trace(nn.Sequential(shared), torch.ones(2)))
        free, got = run_in_thread(lambda: len(nl.trace(nn.Linear(2, 2), torch.ones(2))))
        free.join(20)
        assert got == [1]
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()


def test_of_threads_that_wait_for_each_other_one_is_refused():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    both = threading.Barrier(2)

    def hold_both(first, second):
        with hold_model(first):
            both.wait(20)
            with hold_model(second):
                return "held both"

    runs = [run_in_thread(lambda: hold_both(a, b)), run_in_thread(lambda: hold_both(b, a))]
    for thread, _ in runs:
        thread.join(20)
    (refused,) = [got[0] for _, got in runs if isinstance(got[0], InputError)]
    assert "the model is in use in another thread, which waits" in str(refused)
    assert ["held both"] in [got for _, got in runs]


def test_a_thread_may_hold_a_model_twice_and_lets_go_on_errors():
    net = nn.Linear(2, 2)
    with pytest.raises(KeyError, match="stop"), hold_model(net), hold_model(net):
        raise KeyError("stop")
    thread, got = run_in_thread(lambda: len(nl.trace(net, torch.ones(2))))
    thread.join(20)
    assert got == [1]
