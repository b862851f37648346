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
        ([1.13, 1.135, 1.132, 1.131], "within the noise"),
        ([0.89, 0.885, 0.888, 0.892], "within the noise"),
        # Apart, but by less than the repeats of now are.
        ([1.05, 1.45, 1.25, 1.20], "within the noise"),
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


def count_moved(judgement, rng, between, within, n=6, m=6, times=2000):
    """Return the share of pairs of runs without a change that are judged to differ."""
    moved = 0
    for _ in range(times):
        runs = [
            np.exp(rng.normal(0, between) + rng.normal(0, within, size)).tolist() for size in (n, m)
        ]
        moved += judgement.judge_repeats(*runs) in (judgement.WORSE, judgement.BETTER)
    return moved / times


@pytest.mark.parametrize("within", [0.002, 0.02, 0.1])
def test_noise_between_interpreters_alone_is_hardly_ever_a_change(judgement, rng, within):
    assert count_moved(judgement, rng, 0, within) < 0.002


@pytest.mark.parametrize(("between", "most"), [(0.02, 0.002), (0.03, 0.01)])
def test_noise_that_a_run_shares_is_seldom_a_change(judgement, rng, between, most):
    assert count_moved(judgement, rng, between, 0.02) < most
    # Far more than the margin is always one.
    assert count_moved(judgement, rng, 1.0, 0.02) > 0.9


def test_the_share_of_false_alarms_is_that_of_runs_with_the_same_noise(load, judgement, rng):
    alarms = load("ratio_studies.alarms")
    before = {name: rng.lognormal(0, 0.02, 6).tolist() for name in "abc"}
    changes = judgement.judge_ratios(before, before)
    spread = alarms.measure_spread(changes[0])
    logs = np.log(before["a"])
    assert spread == pytest.approx(logs.std(ddof=1))
    assert alarms.simulate_alarms(changes, rng, between_runs=0.0) < 0.01
    assert alarms.simulate_alarms(changes, rng, between_runs=0.5) > 0.9
    # Bytes do not depend on the run.
    bytes_only = [change._replace(name="bytes: kept") for change in changes]
    assert alarms.simulate_alarms(bytes_only, rng, between_runs=0.5) < 0.01
    # What is new is not judged.
    assert alarms.simulate_alarms(judgement.judge_ratios({}, before), rng, between_runs=0.5) == 0
    assert "Without any change 12.3% of runs" in alarms.describe_alarms(0.123)


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

    def test_each_group_is_a_process_of_its_own_but_for_those_that_refuse_it(self, ratios):
        forked = [lambda: {"a": float(os.getpid())}, lambda: {"b": float(os.getpid())}]
        found = ratios.measure_groups(forked, [lambda: {"c": float(os.getpid())}])
        assert len(set(found.values())) == 3
        assert found["c"] == os.getpid()

    def test_a_repeat_is_an_interpreter_of_its_own(self, ratios, load, monkeypatch, tmp_path):
        script = tmp_path / "repeat.py"
        script.write_text(
            "import json, os, sys\nprint(json.dumps({sys.argv[1]: float(os.getpid())}))"
        )
        monkeypatch.setattr(ratios, "__file__", str(script))
        found = ratios.measure_repeats(ratios.start_repeat, 3, load("deadlines").Deadline())
        assert len(set(found["--repeat"])) == 3
        assert os.getpid() not in found["--repeat"]

    def test_repeats_end_when_the_time_is_over_but_there_are_two(self, ratios, load):
        deadline = load("deadlines").Deadline(0)
        assert len(ratios.measure_repeats(lambda: {"a": 1.0}, 9, deadline)["a"]) == 2

    def test_a_group_that_takes_too_long_is_named_and_left_out(self, ratios, monkeypatch, capsys):
        monkeypatch.setattr(ratios, "PATIENCE", 0.1)

        def sleep_long():
            time.sleep(30)
            return {"a": 1.0}

        assert ratios.measure_groups([sleep_long]) == {}
        assert "sleep_long took more than" in capsys.readouterr().err

    def test_another_machine_is_told(self, ratios, load, tmp_path):
        path = tmp_path / "ratios.json"
        load("ratio_studies.repeats").write_repeats(path, "one; commit a", {"a": BEFORE})
        same, _ = ratios.report_changes(path, "one; commit b", {"a": BEFORE})
        other, _ = ratios.report_changes(path, "two; commit b", {"a": BEFORE})
        assert "different machines" not in same
        assert "different machines" in other
        assert "of runs like this one would call some ratio moved" in same

    def test_worse_is_told_to_the_caller(self, ratios, load, tmp_path):
        path = tmp_path / "ratios.json"
        load("ratio_studies.repeats").write_repeats(path, "one", {"a": BEFORE})
        assert ratios.report_changes(path, "one", {"a": [2.0, 2.1, 2.2, 2.3]})[1]
        assert not ratios.report_changes(path, "one", {"a": BEFORE})[1]
