"""Blocks: planted responses are found again, and what a run lacks is told."""

import numpy as np
import pytest

from neurolens.datasets.blocks import average_blocks
from neurolens.errors import DataError

LABELS = np.array(
    ["rest"] * 4 + ["face"] * 3 + ["rest"] * 4 + ["house"] * 3 + ["rest"] * 4, dtype=object
)


def make_series(rng, lag, n_runs=2):
    """Return series (volume, voxel), labels, runs, and the % change planted for each block."""
    n_time = len(LABELS)
    level = rng.uniform(500, 900, (n_runs, 1, 5))
    slope = rng.uniform(-2, 2, (n_runs, 1, 5))
    series = np.repeat(level, n_time, axis=1)
    late = np.concatenate([["rest"] * lag, LABELS[: n_time - lag]])
    planted = rng.uniform(-3, 3, (n_runs, 2, 5))
    for run in range(n_runs):
        for k, name in enumerate(("face", "house")):
            series[run][late == name] *= 1 + planted[run, k] / 100
    centered = np.arange(n_time) - (n_time - 1) / 2
    trend = slope * centered[:, None]
    runs = np.repeat(np.arange(n_runs), n_time)
    return (series + trend).reshape(-1, 5), np.tile(LABELS, n_runs), runs, planted.reshape(-1, 5)


@pytest.mark.parametrize("lag", [0, 2])
def test_blocks_are_the_mean_late_change_from_rest(rng, lag):
    series, labels, runs, _ = make_series(rng, lag)
    blocks = average_blocks(series, labels, runs, lag=lag)
    assert blocks.categories.tolist() == ["face", "house"] * 2
    assert blocks.runs.tolist() == [0, 0, 1, 1]
    # Slowly: a line through each voxel of each run by least squares, then means.
    for k, (name, run) in enumerate(zip(blocks.categories, blocks.runs, strict=True)):
        for voxel in range(5):
            values = series[runs == run, voxel]
            time = np.arange(len(values))
            line = np.polyval(np.polyfit(time, values, 1), time)
            flat = values - line + values.mean()
            rest = np.mean([v for v, label in zip(flat, LABELS, strict=True) if label == "rest"])
            shown = [flat[t + lag] for t in time if LABELS[t] == name]
            assert blocks.values[k, voxel] == pytest.approx(100 * (np.mean(shown) / rest - 1))


def test_a_planted_change_is_found_without_a_trend(rng):
    series, labels, runs, planted = make_series(rng, 0)
    blocks = average_blocks(series, labels, runs, lag=0)
    # The trend that is taken out takes a little of the response with it.
    assert np.corrcoef(blocks.values.ravel(), planted.ravel())[0, 1] > 0.98


def test_volumes_after_the_end_of_a_run_are_left_out(rng):
    labels = np.array(
        ["rest", "rest", "face", "face", "rest", "rest", "face", "face"], dtype=object
    )
    series = rng.uniform(1, 2, (8, 3))
    blocks = average_blocks(series, labels, np.repeat([0, 1], 4), lag=1)
    assert blocks.runs.tolist() == [0, 1]
    time = np.arange(4) - 1.5
    run = series[4:] - np.outer(time, time @ series[4:] / (time @ time))
    np.testing.assert_allclose(blocks.values[1], 100 * (run[3] / run[:2].mean(axis=0) - 1))
    with pytest.raises(DataError, match="'face' has no volume 2 later in run 0"):
        average_blocks(series, labels, np.repeat([0, 1], 4), lag=2)


def test_a_run_of_rest_is_left_out_with_a_word(rng):
    series, labels, runs, _ = make_series(rng, 0)
    labels[runs == 1] = "rest"
    with pytest.warns(RuntimeWarning, match=r"the runs 1 show nothing but rest"):
        blocks = average_blocks(series, labels, runs, lag=0)
    assert blocks.runs.tolist() == [0, 0]


def test_a_run_without_rest_and_too_few_labels_are_refused(rng):
    series, labels, runs, _ = make_series(rng, 0)
    with pytest.raises(DataError, match="36 volumes, 35 labels and 36 runs"):
        average_blocks(series, labels[1:], runs, lag=0)
    labels[(labels == "rest") & (runs == 0)] = "cat"
    with pytest.raises(DataError, match="run 0 has no volume of 'rest'"):
        average_blocks(series, labels, runs, lag=0)
