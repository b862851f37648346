"""Bars of progress: when they show, what counts, and that they go away."""

import re

import pytest

from neurolens.support import progress
from neurolens.support.progress import count_steps, share_progress, show_progress


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)


def read_shares(capsys):
    """Return the shares that a bar showed, in percent."""
    return [int(share) for share in re.findall(r"(\d+)%", capsys.readouterr().err)]


def test_steps_are_counted_wherever_they_are_made(capsys, monkeypatch):
    monkeypatch.setattr(progress, "tqdm", lambda **settings: make_bar(settings))

    def work():
        count_steps(2)
        with share_progress(0.5):
            count_steps(2)
            with share_progress(0):
                count_steps(100)

    with show_progress(6, "work", quiet=False):
        work()
        half = read_shares(capsys)[-1]
        work()
        # More than was forecast.
        work()
    assert half == 50
    assert read_shares(capsys)[-1] == 100
    # Nothing is under way any more.
    count_steps(5)
    assert not read_shares(capsys)


def make_bar(settings):
    from tqdm import tqdm

    return tqdm(**settings, mininterval=0)


def test_quiet_work_shows_nothing(capsys):
    with show_progress(2, "work", quiet=True):
        count_steps()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("value", "is_shown"), [("1", False), ("0", False), ("", True)])
def test_the_variable_of_tqdm_hides_bars(capsys, monkeypatch, value, is_shown):
    monkeypatch.setenv("TQDM_DISABLE", value)
    with show_progress(2, "work", quiet=False):
        count_steps()
    assert ("work" in capsys.readouterr().err) == is_shown


def test_work_inside_of_work_shows_no_bar_and_counts_for_none(capsys, monkeypatch):
    monkeypatch.setattr(progress, "tqdm", lambda **settings: make_bar(settings))
    with show_progress(4, "outer", quiet=False):
        count_steps()
        with show_progress(1, "inner", quiet=False):
            count_steps()
        count_steps()
    shown = capsys.readouterr().err
    assert "inner" not in shown
    assert [int(share) for share in re.findall(r"(\d+)%", shown)][-1] == 50


def test_an_interruption_takes_the_bar_away(capsys):
    def interrupt():
        with show_progress(4, "work", quiet=False):
            count_steps()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    shown = capsys.readouterr().err
    assert shown.rstrip(" ").endswith("\r")
    with show_progress(1, "again", quiet=False):
        count_steps()
    assert "again" in capsys.readouterr().err


def test_short_work_shows_nothing(capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 60)
    with show_progress(2, "work", quiet=False):
        count_steps()
        count_steps()
    assert capsys.readouterr().err == ""
