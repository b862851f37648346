"""Whatever kind of object a model keeps its state in, every pass begins with the same state."""

import argparse
import array
import functools
import itertools
import queue
import threading
import types
from collections import ChainMap, UserDict, UserList

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.capture.restore import ModelState, preserve_state


class Gain:
    """Counts its calls, and those of all its kind."""

    n_all = 0

    def __init__(self):
        self.n = 0

    def __call__(self):
        self.n += 1
        return self.n

    def count(self):
        return self()

    @classmethod
    def count_all(cls):
        cls.n_all += 1
        return cls.n_all


class Private:
    __slots__ = ("__n",)

    def __init__(self):
        self.__n = 0

    def __call__(self):
        self.__n += 1
        return self.__n


class Named(dict):
    n = 0


def _keep_variable():
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    return count


def _keep_default():
    def count(seen=[]):  # noqa: B006 - the default is the state
        seen.append(1)
        return len(seen)

    return count


def _keep_attribute():
    def count():
        count.n += 1
        return count.n

    count.n = 0
    return count


def _keep_cached(maxsize):
    @functools.lru_cache(maxsize)
    def make(n):
        return torch.zeros(n)

    return make


def _keep_local():
    held = threading.local()
    held.n = 0
    return held


def _fill_queue():
    held = queue.SimpleQueue()
    held.put(0)
    return held


def _call(held):
    return held()


def _add_entry(held):
    held[0] += 1
    return held[0]


def _add_named(held):
    held["n"] = held.get("n", 0) + 1
    return held["n"]


def _add_attribute(held):
    held.n = getattr(held, "n", 0) + 1
    return held.n


def _exchange(held):
    n = held.get() + 1
    held.put(n)
    return n


def _append_inside(held):
    held[0].append(1)
    return len(held[0])


# kind -> (what is held, what a call does to it: the number that it returns grows with each)
KINDS = {
    "object that can be called": (Gain, _call),
    "private slot": (Private, _call),
    "method": (lambda: Gain().count, _call),
    "method of a class": (lambda: Gain.count_all, _call),
    "method of a list": (lambda: [].append, lambda held: held(1) or len(held.__self__)),
    "class": (lambda: Gain, lambda held: held.count_all()),
    "class of an object": (Gain, lambda held: held.count_all()),
    "variable of a function": (_keep_variable, _call),
    "default of a function": (_keep_default, _call),
    "attribute of a function": (_keep_attribute, _call),
    "partial": (
        lambda: functools.partial(_add_entry, [0]),
        _call,
    ),
    "results in a cache": (lambda: _keep_cached(None), lambda held: float(held(1).add_(1))),
    "results in a bounded cache": (lambda: _keep_cached(2), lambda held: float(held(1).add_(1))),
    "namespace": (lambda: argparse.Namespace(n=0), _add_attribute),
    "local of a thread": (_keep_local, _add_attribute),
    "attribute of a dict": (Named, _add_attribute),
    "attribute of a tensor": (lambda: torch.zeros(2), _add_attribute),
    "user dict": (UserDict, _add_named),
    "chain of dicts": (lambda: ChainMap({}, {"n": 2}), _add_named),
    "view of a dict": (lambda: types.MappingProxyType({0: []}), _append_inside),
    "user list": (lambda: UserList([0]), _add_entry),
    "array of Python": (lambda: array.array("d", [0.0, float("nan")]), _add_entry),
    "bytearray": (lambda: bytearray(2), _add_entry),
    "memoryview": (lambda: memoryview(bytearray(2)), _add_entry),
    "array of objects": (lambda: np.array([[], {}], object), _append_inside),
    "queue": (queue.Queue, lambda held: held.put(1) or held.qsize()),
    "simple queue": (_fill_queue, _exchange),
    "large dict of numbers": (lambda: dict.fromkeys(range(20_000), 0), _add_entry),
    "large dict of lists": (lambda: {key: [] for key in range(20_000)}, _append_inside),
}


class Scales(nn.Module):
    def __init__(self, make, count):
        super().__init__()
        self.held = make()
        self.count = count

    def forward(self, x):
        return x * self.count(self.held)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pass_begins_with_the_same_state(kind):
    net, x = Scales(*KINDS[kind]).eval(), torch.ones(2, 4)
    outputs = []
    for _ in range(3):
        recording = record_forward(prepare_call(net, x))
        assert recording.changed
        assert recording.depends_on_history == []
        outputs.append(nl.trace(net, x).output)
    assert torch.equal(outputs[0], net(x))
    assert all(torch.equal(output, outputs[0]) for output in outputs)


@pytest.mark.parametrize("kind", ["object that can be called", "class of an object", "user dict"])
def test_rows_are_those_of_a_fresh_model(kind, rng):
    x = rng.standard_normal((7, 4), np.float32)
    net = Scales(*KINDS[kind])
    got = nl.extract_activations(net, nl.load_stimuli(x), batch_size=1, quiet=True)
    rows = got["mul/activation"].values
    np.testing.assert_array_equal(rows, net(torch.as_tensor(x)).numpy())


@pytest.mark.parametrize("fails", [False, True])
def test_a_cell_without_value_has_none_afterwards(fails):
    def make():
        def set_value():
            nonlocal late
            late = 1

        late = 0
        del late
        return set_value

    net = nn.Identity()
    net.held = make()
    try:
        with preserve_state(net) as state:
            net.held()
            if fails:
                raise KeyError("late")
    except KeyError:
        assert fails
    assert state.lost == []
    with pytest.raises(ValueError, match="empty"):
        _ = net.held.__closure__[0].cell_contents


def _yield_numbers():
    n = 0
    while True:
        n += 1
        yield n


ITERATORS = {
    "generator": _yield_numbers,
    "count": lambda: itertools.count(1),
    "cycle": lambda: itertools.cycle([1, 2, 3]),
    "range": lambda: iter(range(1, 9)),
    "enumeration": lambda: enumerate(itertools.repeat(1)),
    "map": lambda: map(abs, [1, 2, 3]),
    "tuple of iterators": lambda: (iter([1, 2, 3]),),
}


@pytest.mark.parametrize("kind", ITERATORS)
def test_that_an_iterator_has_moved_is_said(kind):
    net = nn.Identity()
    net.held = ITERATORS[kind]()
    with preserve_state(net) as state:
        pass
    assert state.changed == []
    with preserve_state(net) as state:
        next(net.held[0] if isinstance(net.held, tuple) else net.held)
    assert state.lost == ["held"]


def test_changes_of_more_tensors_than_are_copied_are_said():
    net = nn.Identity()
    net.held = {key: torch.zeros(1) for key in range(10_010)}
    with preserve_state(net) as state:
        net.held[0] += 1
        net.held[10_009] += 1
    assert state.lost == ["held"]
    with preserve_state(net) as state:
        net.held[5] = torch.ones(1)
    assert state.lost == []
    assert not net.held[5].any()


def test_changes_of_parameters_without_module_are_said():
    net = nn.Identity()
    net.held = [nn.Parameter(torch.zeros(2))]
    with preserve_state(net) as state, torch.no_grad():
        net.held[0].add_(1)
    assert state.lost == ["held"]


def test_a_cache_that_had_results_keeps_the_new_ones_and_says_so():
    net = nn.Identity()
    net.held = _keep_cached(4)
    net.held(1)
    with preserve_state(net) as state:
        net.held(2)
    assert state.lost == ["held"]
    assert net.held.cache_info().currsize == 2


def _remember(function):
    results = {}

    @functools.wraps(function)
    def wrapper(self, x):
        results["n"] = results.get("n", 0) + 1
        return function(self, x) * results["n"]

    return wrapper


def test_state_of_the_classes_of_a_model_is_put_back():
    seen = []

    class Base(nn.Module):
        n_calls = 0
        sums: dict = {}  # noqa: RUF012 - shared on purpose

    class Net(Base):
        @_remember
        def forward(self, x):
            seen.append(len(x))
            Base.n_calls += 1
            type(self).last = x
            self.sums.setdefault("x", torch.zeros(4)).add_(x.sum(0))
            return x + Base.n_calls + self.sums["x"]

    net, x = Net(), torch.ones(2, 4)
    outputs = [nl.trace(net, x).output for _ in range(2)]
    assert torch.equal(*outputs)
    assert Base.n_calls == 0
    assert Base.sums == {}
    assert not hasattr(Net, "last")
    # A variable around the class belongs to the caller.
    assert set(seen) == {2}
    assert torch.equal(net(x), outputs[0])


def test_classes_and_functions_of_packages_are_left_alone(monkeypatch):
    net = nn.Sequential(nn.Linear(2, 2))
    net.make, net.act = nn.Linear, nn.functional.gelu
    with preserve_state(net) as state:
        monkeypatch.setattr(nn.Linear, "mark", 1, raising=False)
    assert nn.Linear.mark == 1
    assert state.changed == []
    assert ModelState(nn.Linear(2, 2)).list_storages() == set()
