"""The checks of a GPU, run on a CPU: what is judged, written and told."""

import json

import numpy as np
import pytest
import torch


@pytest.fixture
def gpu(load):
    return load("gpu")


@pytest.fixture
def rows(load):
    return load("gpu_checks.rows")


def test_numbers_are_held_against_what_is_wanted(rows):
    assert rows.require_most("a", [1.0, 3.0, 2.0], 2.0).holds
    assert not rows.require_most("a", [1.0, 3.0, 2.0], 1.9).holds
    assert rows.require_least("a", [0.9], 0.8).holds
    assert not rows.require_least("a", [0.7], 0.8).holds
    assert not rows.require_most("a", [float("nan")], 1).holds
    assert not rows.require_least("a", [float("nan")], 1).holds
    assert rows.report_number("a", [1.0]).holds is None


def test_a_row_holds_the_range_and_the_unit(rows):
    row = rows.require_most("a", [1.0, 3.0, 2.0], 2.5, "s")
    assert row.write() == "| a | 2 (1 to 3) s | at most 2.5 | yes |"
    assert rows.require_text("b", "failed", "verified").write() == (
        "| b | failed | verified | **no** |"
    )


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ([1.0, -4.0, np.nan], 0.0),
        ([1.0, -4.4, np.nan], 0.1),
        ([1.0, -4.0, 0.0], np.inf),
        ([1.0, -4.0], np.inf),
    ],
)
def test_a_difference_is_relative_to_the_largest_value(load, other, difference):
    find_difference = load("gpu_checks.agreement").find_difference
    found = find_difference(np.array([1.0, -4.0, np.nan]), np.array(other))
    assert found == pytest.approx(difference)


def test_full_precision_is_given_back(load):
    before = torch.backends.cudnn.allow_tf32
    seen = []

    def fail():
        with load("gpu_checks.agreement").full_precision():
            seen.append(torch.backends.cudnn.allow_tf32)
            raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError, match="planted"):
        fail()
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_part_that_fails_is_a_row_and_the_others_run(gpu, rows, monkeypatch, capsys):
    def fail(sizes, device):
        raise RuntimeError("no | kernel\nfor it")

    monkeypatch.setattr(gpu, "CHECKS", {"broken": fail})
    monkeypatch.setattr(gpu, "MEASURES", {"fine": lambda s, d: [rows.report_number("x", [1.0])]})
    found = gpu.run_parts(gpu.QUICK, "cpu")
    assert found["broken"][0].note == "RuntimeError: no / kernel"
    assert found["fine"][0].value == 1
    assert gpu.has_failed(found)


def test_slow_is_no_failure_but_other_values_are(gpu, rows):
    slow = {"capture": [rows.require_most("x", [2.0], 1.1)]}
    assert not gpu.has_failed(slow)
    assert gpu.has_failed({"ridge": [rows.require_most("x", [2.0], 1.1)]})


def test_parts_for_which_no_time_is_left_are_named(gpu, capsys):
    found = gpu.run_parts(gpu.QUICK, "cpu", last_start=-1)
    assert list(found) == [*gpu.CHECKS, *gpu.MEASURES]
    assert {row.note for part in found.values() for row in part} == {"left out: no time was left"}


def test_values_that_differ_on_the_device_are_found(gpu, load, monkeypatch):
    agreement = load("gpu_checks.agreement")
    build = agreement.build_model
    calls = []

    def build_other(sizes, device):
        model = build(sizes, device)
        calls.append(device)
        if len(calls) == 2:  # that of the device
            with torch.no_grad():
                model.layer2[0].conv1.weight.mul_(1.01)
        return model

    monkeypatch.setattr(agreement, "build_model", build_other)
    names, worst, verdict = agreement.check_trace(gpu.QUICK, "cpu")
    assert names.holds
    assert verdict.holds
    assert not worst.holds


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_sentence_is_said(gpu, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    gpu.main()
    assert capsys.readouterr().out == "No GPU was found, so that nothing was measured.\n"


@pytest.mark.slow
def test_all_steps_run_on_a_cpu_and_values_agree(gpu, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(
        "sys.argv", ["gpu.py", "--device", "cpu", "--quick", "--write", str(tmp_path)]
    )
    with pytest.raises(SystemExit, match="0"):
        gpu.main()
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert list(parts) == [*gpu.CHECKS, *gpu.MEASURES]
    for name in gpu.CHECKS:
        assert all(row["holds"] for row in parts[name])
    text = (tmp_path / "gpu.md").read_text()
    assert text.count("\n| ") == 1 + sum(len(part) for part in parts.values())
