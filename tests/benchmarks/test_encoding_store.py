"""Ridge from a store: what is measured, extrapolated and written."""

import subprocess
import sys

import numpy as np
import pytest

# Workers of pytest-xdist have a thread of their own, which takes no part.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

MIB = 2**20


@pytest.fixture
def store(load):
    return load("encoding_store")


def test_hours_are_the_whole_and_what_each_op_that_was_left_out_takes(store):
    spent = store.Spent(100.0, [40.0, 60.0, 90.0], "primal", 0)
    assert spent.per_op == 25
    assert spent.hours == pytest.approx((100 + 172 * 25) / 3600)
    assert store.Spent(100.0, [90.0], "primal", 0).per_op == 100


def test_a_row_holds_all_that_the_table_names(store):
    spent = store.Spent(100.0, [50.0, 75.0], "primal (8 features)", 2**30)
    row = store.write_row("call", store.QUICK, 2, spent, 3 * 2**30)
    assert row.count("|") == store.COLUMNS[0].count("|")
    assert "| call | 2 | 380 x 400 | primal (8 features) | 100.0 | 25.0 | 1.23 | 3.0 | 2.0 |" in row


def test_the_peak_is_that_of_the_process_and_its_children(load):
    processes = load("processes")

    def call():
        code = f"import time; x = bytearray({200 * MIB}); time.sleep(1)"
        subprocess.run([sys.executable, "-c", code], check=True)
        return 7

    found = processes.fork_measured(call, 60)
    assert found.value == 7
    alone = processes.fork_measured(lambda: 7, 60)
    assert found.peak - alone.peak > 150 * MIB
    own = processes.fork_measured(lambda: float(np.ones(100 * MIB // 8).sum()), 60)
    assert own.peak - alone.peak > 80 * MIB


def test_a_call_that_takes_too_long_has_no_result(load):
    import time

    assert load("processes").fork_measured(lambda: time.sleep(30), 0.2) is None


def test_responses_follow_the_first_op(load, tmp_path):
    problem = load("store_studies.problem")
    shape = problem.QUICK
    path = tmp_path / "features.zarr"
    problem.make_store(path, shape, 2)
    responses = problem.make_responses(path, shape)
    assert responses.dtype == np.float32
    assert responses.shape == (shape.n_stimuli, shape.n_voxels)
    assert len(set(zip(responses.region.values, responses.subject.values, strict=True))) == 4
    x = problem.read_first(path).values[:, : problem.N_SOURCES]
    x = np.column_stack([np.ones(len(x)), x])
    left = responses.values - x @ np.linalg.lstsq(x, responses.values, rcond=None)[0]
    share = 1 - left.var() / responses.values.var()
    assert share == pytest.approx(1 / (1 + problem.NOISE**2), abs=0.1)


@pytest.mark.slow
def test_all_steps_run_and_methods_agree(store, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["encoding_store.py", "--quick", "--himalaya"])
    store.main()
    text = capsys.readouterr().out
    assert "| fit_test_sets | 2 | 380 x 400 | primal (64 features) |" in text
    assert "| scikit-learn RidgeCV, loo |" in text
