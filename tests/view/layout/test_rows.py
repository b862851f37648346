"""Turns at one height are parted where they would run over each other."""

from layouts import build_fan, build_plan, find_shared

from neurolens.view.layout import scene as scenes
from neurolens.view.layout.records import Frame

CROSSING = build_plan(
    [-1] * 10,
    [
        *[(0, 1), (1, 2), (2, 3), (3, 9), (0, 4), (4, 5), (5, 9)],
        *[(1, 6), (6, 9), (4, 7), (7, 9), (4, 8), (8, 9), (2, 7)],
    ],
)


def test_rows_are_parted(monkeypatch):
    frame = Frame(800.0, 800.0, single=True)
    plans = [CROSSING, build_fan(13)]
    parted = [find_shared(scenes.lay_out(plan, frame)) for plan in plans]
    monkeypatch.setattr(scenes, "part_rows", lambda links, routes: None)
    as_they_come = [find_shared(scenes.lay_out(plan, frame)) for plan in plans]
    assert parted == [[], []]
    assert any(as_they_come)
