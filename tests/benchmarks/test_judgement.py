"""Ratios that move by more than the noise, in planted numbers."""

import math
import os
import time

import numpy as np
import pytest

# Workers of pytest-xdist have a thread of their own, which takes no part.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def judgement(load):
    return load("ratio_studies.judgement")


BEFORE = [1.00, 1.02, 0.98, 1.01, 0.99, 1.03, 0.97]


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ([1.30, 1.28, 1.33, 1.31], "**worse**"),
        ([0.80, 0.82, 0.79, 0.81], "better"),
        ([1.01, 0.99, 1.00, 1.02], "within the noise"),
        # One repeat of now lies among those before: the ranges touch.
        ([1.30, 1.28, 1.33, 1.03], "within the noise"),
        # Apart, but by less than the margin.
        ([1.04, 1.045, 1.042, 1.041], "within the noise"),
        ([0.96, 0.955, 0.958, 0.962], "within the noise"),
        # Two repeats are apart of seven by chance in 2 of 36 cases.
        ([1.30, 1.31], "too few repeats"),
        ([], "not measured"),
    ],
)
def test_a_ratio_moved_where_ranges_are_apart_and_by_more_than_the_margin(judgement, now, verdict):
    assert judgement.judge_repeats(BEFORE, now) == verdict


def test_a_ratio_without_committed_repeats_is_new(judgement):
    assert judgement.judge_repeats([], [1.0, 1.1]) == judgement.NEW


def test_order_of_repeats_does_not_matter(judgement):
    now = [1.30, 1.28, 1.33, 1.31]
    assert judgement.judge_repeats(BEFORE[::-1], now[::-1]) == judgement.judge_repeats(BEFORE, now)


@pytest.mark.parametrize(("n", "m"), [(7, 3), (4, 4), (2, 5)])
def test_chance_of_ranges_apart_is_that_of_all_orders(judgement, n, m):
    places = range(n + m)
    orders = math.comb(n + m, n)
    apart = {frozenset(places[:n]), frozenset(places[m:])}  # the first set is all below, or above
    assert judgement.find_chance(n, m) == pytest.approx(len(apart) / orders)


def test_without_a_change_verdicts_are_as_rare_as_the_chance_says(judgement, rng, monkeypatch):
    monkeypatch.setattr(judgement, "MARGIN", 0.0)
    times = 4000
    verdicts = [
        judgement.judge_repeats(rng.lognormal(0, 0.1, 7), rng.lognormal(0, 0.1, 4))
        for _ in range(times)
    ]
    moved = sum(verdict in (judgement.WORSE, judgement.BETTER) for verdict in verdicts)
    chance = judgement.find_chance(7, 4)
    assert abs(moved / times - chance) < 4 * np.sqrt(chance / times)


def test_a_shift_of_many_times_the_noise_is_found_in_both_directions(judgement, rng):
    for factor, verdict in ((1.25, judgement.WORSE), (0.8, judgement.BETTER)):
        found = [
            judgement.judge_repeats(rng.lognormal(0, 0.02, 7), factor * rng.lognormal(0, 0.02, 5))
            for _ in range(200)
        ]
        assert found.count(verdict) >= 198


def test_the_report_names_what_moved_what_is_new_and_what_is_missing(judgement):
    changes = judgement.judge_ratios(
        {"a": BEFORE, "b": BEFORE, "gone": BEFORE},
        {"a": [1.5, 1.51, 1.53], "b": BEFORE[:5], "fresh": [2.0, 2.1, 2.2]},
    )
    assert [(change.name, change.verdict) for change in changes] == [
        ("a", judgement.WORSE),
        ("b", judgement.SAME),
        ("fresh", judgement.NEW),
        ("gone", judgement.MISSING),
    ]
    lines = judgement.write_changes(changes)
    assert "| a | 1 (0.97 to 1.03) | 1.51 (1.5 to 1.53) | 1.51 | **worse** |" in lines
    assert "| fresh |  | 2.1 (2 to 2.2) |  | new |" in lines
    assert lines[-1].startswith("Of 2 ratios 1 are worse and 0 better by more than the noise")


def test_committed_repeats_are_read_as_they_were_written(load, tmp_path):
    repeats = load("ratio_studies.repeats")
    path = tmp_path / "ratios.json"
    assert repeats.read_repeats(path).ratios == {}
    repeats.write_repeats(path, "a machine; commit abc", {"a": [1.23456, 2.0]})
    assert repeats.read_repeats(path) == ("a machine; commit abc", {"a": [1.235, 2.0]})


class TestRatios:
    """The script around them."""

    @pytest.fixture
    def ratios(self, load):
        return load("ratios")

    def test_each_repeat_of_each_group_is_a_process_of_its_own(self, ratios, capsys):
        found = ratios.measure_repeats([lambda: {"pid": float(os.getpid())}], 3, 60)
        assert len(set(found["pid"])) == 3
        assert os.getpid() not in found["pid"]

    def test_repeats_end_when_the_time_is_over_but_there_are_two(self, ratios, capsys):
        assert len(ratios.measure_repeats([lambda: {"a": 1.0}], 9, 0)["a"]) == 2

    def test_a_group_that_takes_too_long_is_named_and_left_out(self, ratios, monkeypatch, capsys):
        monkeypatch.setattr(ratios, "PATIENCE", 0.1)

        def sleep_long():
            time.sleep(30)
            return {"a": 1.0}

        assert ratios.measure_repeats([sleep_long], 1, 60) == {}
        assert "sleep_long took more than" in capsys.readouterr().err

    def test_another_machine_is_told(self, ratios, load, tmp_path):
        path = tmp_path / "ratios.json"
        load("ratio_studies.repeats").write_repeats(path, "one; commit a", {"a": BEFORE})
        same, _ = ratios.report_changes(path, "one; commit b", {"a": BEFORE})
        other, _ = ratios.report_changes(path, "two; commit b", {"a": BEFORE})
        assert "different machines" not in same
        assert "different machines" in other

    def test_worse_is_told_to_the_caller(self, ratios, load, tmp_path):
        path = tmp_path / "ratios.json"
        load("ratio_studies.repeats").write_repeats(path, "one", {"a": BEFORE})
        assert ratios.report_changes(path, "one", {"a": [2.0, 2.1, 2.2, 2.3]})[1]
        assert not ratios.report_changes(path, "one", {"a": BEFORE})[1]
