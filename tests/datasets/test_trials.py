"""Trials of subjects in one array: matched by stimulus and repetition, NaN elsewhere."""

import numpy as np
import pandas as pd
import pytest

from neurolens.datasets.neuroids import find_voxels
from neurolens.datasets.trials import SubjectTrials, join_subjects
from neurolens.errors import DataError


def make_subject(rng, stimuli, n_voxels):
    mask = np.zeros((n_voxels, 1, 1), dtype=bool)
    mask[:] = True
    trials = pd.DataFrame({"stimulus_id": stimuli})
    trials["repetition"] = trials.groupby("stimulus_id").cumcount()
    trials["session"] = np.arange(len(trials)) // 2
    values = rng.standard_normal((len(trials), n_voxels))
    voxels = find_voxels({"V1": mask}, np.diag([2.0, 2, 2, 1]))
    return SubjectTrials(trials, values, voxels, {"ncsnr": rng.random(n_voxels)})


def test_each_value_is_at_its_stimulus_and_repetition(rng):
    parts = {
        "s1": make_subject(rng, ["a", "b", "a", "c"], 3),
        "s2": make_subject(rng, ["c", "d", "c", "a"], 2),
    }
    joined = join_subjects(parts, {"units": "%"})
    rows = list(zip(joined.stimulus_id.values, joined.repetition.values, strict=True))
    assert rows == [("a", 0), ("b", 0), ("a", 1), ("c", 0), ("d", 0), ("c", 1)]
    assert joined.dtype == np.float32
    start = 0
    for subject, part in parts.items():
        n_voxels = part.values.shape[1]
        block = joined.values[:, start : start + n_voxels]
        assert (joined.subject.values[start : start + n_voxels] == subject).all()
        expected = {
            (t.stimulus_id, t.repetition): v
            for t, v in zip(part.trials.itertuples(), part.values, strict=True)
        }
        for row, values in zip(rows, block, strict=True):
            if row in expected:
                np.testing.assert_allclose(values, expected[row], rtol=1e-6)
            else:
                assert np.isnan(values).all()
        start += n_voxels
    np.testing.assert_array_equal(
        joined.ncsnr, np.concatenate([part.measures["ncsnr"] for part in parts.values()])
    )
    assert "session" not in joined.coords
    assert "affine" not in joined.attrs


def test_a_single_subject_keeps_its_columns_and_grid(rng):
    part = make_subject(rng, ["a", "b", "a"], 4)
    joined = join_subjects({"s1": part}, {"units": "%"})
    np.testing.assert_allclose(joined.values, part.values, rtol=1e-6)
    assert joined.dtype == np.float32
    assert joined.repetition.values.tolist() == [0, 0, 1]
    assert joined.session.values.tolist() == [0, 0, 1]
    assert joined.attrs["shape"] == [4, 1, 1]
    assert joined.attrs["affine"] == np.diag([2.0, 2, 2, 1]).ravel().tolist()
    assert joined.stimulus_id.dtype == object


def test_a_trial_that_is_listed_twice_is_refused(rng):
    part = make_subject(rng, ["a", "b"], 2)
    twice = part._replace(trials=pd.concat([part.trials.iloc[:1]] * 2))
    with pytest.raises(DataError, match="trials of s1 are listed twice, of 'a'"):
        join_subjects({"s1": twice}, {})
