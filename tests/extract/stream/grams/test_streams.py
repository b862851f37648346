"""Work beside the model's: nothing changes on a CPU, and on a GPU each stream waits for the other."""

from contextlib import contextmanager

import pytest
import torch

from neurolens.extract.stream.grams.streams import SideStreams

GPU = torch.device("cuda", 0)


class Stream:
    def __init__(self, name, told):
        self.name = name
        self.told = told

    def wait_stream(self, other):
        self.told.append(f"{self.name} waits for {other.name}")

    def synchronize(self):
        self.told.append(f"all wait for {self.name}")


@pytest.fixture
def told(monkeypatch):
    """What streams of a GPU are told, without one."""
    told = []
    first = Stream("first", told)

    @contextmanager
    def use(stream):
        told.append(f"on {stream.name}")
        yield
        told.append("on first")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("second", told))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: first)
    monkeypatch.setattr(torch.cuda, "stream", use)
    return told


def test_a_cpu_works_in_order(told):
    streams = SideStreams()
    with streams.use(torch.device("cpu")):
        pass
    streams.hold(torch.zeros(2))
    streams.precede(torch.device("cpu"))
    streams.finish()
    assert told == []


def test_the_second_stream_starts_after_the_first_and_is_waited_for(told):
    streams = SideStreams()
    streams.precede(GPU)
    assert told == []
    with streams.use(GPU):
        told.append("products")
    streams.precede(GPU)
    streams.finish()
    assert told == [
        "second waits for first",
        "on second",
        "products",
        "on first",
        "first waits for second",
        "all wait for second",
    ]


def test_there_is_one_stream_per_device(told):
    streams = SideStreams()
    for _ in range(2):
        with streams.use(GPU):
            pass
    streams.finish()
    assert told.count("all wait for second") == 1
