import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses
from hypothesis import given
from hypothesis import strategies as st

from neurolens.compare import split_stimuli
from neurolens.compare.inputs.folds import Folds, check_folds, check_inner, read_folds
from neurolens.errors import InputError, LabelError


def build_runs(n_runs=6, n_each=4, n_repeats=2):
    """Return responses to stimuli that each belong to one run and are repeated in it."""
    ids = [f"s{i}" for i in range(n_runs * n_each)] * n_repeats
    runs = [int(i[1:]) // n_each for i in ids]
    return label_responses(np.zeros((len(ids), 2)), ids=ids).assign_coords(
        run=("presentation", runs)
    )


class TestStimuli:
    @given(n=st.integers(6, 40), n_folds=st.integers(2, 13), seed=st.integers(0, 2**32 - 1))
    def test_folds_cover_each_stimulus_once_and_are_even(self, n, n_folds, seed):
        n_folds = min(n_folds, n // 3)
        folds = split_stimuli(label_features(np.zeros((n, 1))), n_folds=n_folds, rng=seed)
        sizes = np.bincount(folds.values)
        assert len(sizes) == n_folds
        assert sizes.max() - sizes.min() <= 1
        assert folds.stimulus.values.tolist() == [f"s{i}" for i in range(n)]

    def test_a_seed_repeats_and_another_differs(self):
        data = label_features(np.zeros((30, 1)))
        assert split_stimuli(data, rng=3).equals(split_stimuli(data, rng=3))
        assert split_stimuli(data, rng=3).equals(split_stimuli(data, rng=np.random.default_rng(3)))
        assert not split_stimuli(data, rng=3).equals(split_stimuli(data, rng=4))

    def test_repeats_are_one_stimulus(self):
        ids = [f"s{i}" for i in range(9)]
        folds = split_stimuli(label_responses(np.zeros((27, 2)), ids=ids * 3), n_folds=3)
        assert folds.stimulus.values.tolist() == ids
        assert np.bincount(folds.values).tolist() == [3, 3, 3]


class TestGroups:
    @given(n_folds=st.integers(2, 6), seed=st.integers(0, 1000))
    def test_a_group_is_never_divided(self, n_folds, seed):
        folds = split_stimuli(build_runs(), n_folds=n_folds, by="run", rng=seed).values.reshape(
            6, 4
        )
        assert (folds == folds[:, :1]).all()
        assert set(folds.ravel()) == set(range(n_folds))

    def test_one_fold_per_group(self):
        folds = split_stimuli(build_runs(), n_folds=None, by="run")
        np.testing.assert_array_equal(folds.values, np.repeat(np.arange(6), 4))

    def test_large_groups_are_dealt_first(self):
        category = ["a"] * 10 + ["b"] * 4 + ["c"] * 3 + ["d"] * 3
        data = label_features(np.zeros((20, 1))).assign_coords(category=("stimulus", category))
        for seed in range(5):
            folds = split_stimuli(data, n_folds=2, by="category", rng=seed)
            assert np.bincount(folds.values).tolist() == [10, 10]

    def test_groups_that_share_a_stimulus_are_joined(self):
        responses = build_runs()
        runs = responses.run.values.copy()
        runs[24] = 5  # the second presentation of s0, which is of run 0
        responses = responses.assign_coords(run=("presentation", runs))
        folds = split_stimuli(responses, n_folds=None, by="run")
        assert folds.sel(stimulus="s0") == folds.sel(stimulus="s1") == folds.sel(stimulus="s23")
        assert set(folds.values) == set(range(5))

    def test_by_subject(self):
        ids = [f"s{i}" for i in range(12)]
        responses = label_responses(np.zeros((12, 2)), ids=ids)
        responses = responses.assign_coords(
            subject=("presentation", ["A"] * 4 + ["B"] * 4 + ["C"] * 4)
        )
        folds = split_stimuli(responses, n_folds=None, by="subject")
        np.testing.assert_array_equal(folds.values, np.repeat([0, 1, 2], 4))


class TestReady:
    def test_folds_follow_their_stimuli_not_their_order(self):
        data = label_features(np.zeros((12, 1)))
        folds = split_stimuli(data, n_folds=3)
        ids = data.stimulus.values.tolist()
        found = read_folds(folds[::-1], data, ids, 0)
        np.testing.assert_array_equal(found.number, folds.values)
        np.testing.assert_array_equal(read_folds(3, data, ids, 0).number, folds.values)

    def test_minus_one_stays_in_training(self):
        check_folds(xr.DataArray([0] * 3 + [-1] * 5, dims="stimulus"))


class TestErrors:
    def test_too_few(self):
        data = label_features(np.zeros((4, 1)))
        with pytest.raises(
            InputError, match=r"cannot make 5 folds of 4 stimuli\. Pass n_folds= from 2"
        ):
            split_stimuli(data)
        with pytest.raises(
            InputError,
            match=r"at least 3 stimuli, .* got 'fold 0: 2', 'fold 1: 2'\. Use fewer folds",
        ):
            split_stimuli(data, n_folds=2)
        for n_folds in (1, 0, True, 2.5):
            with pytest.raises(InputError, match="cannot make .* folds"):
                split_stimuli(data, n_folds=n_folds)

    def test_groups(self):
        responses = build_runs()
        with pytest.raises(
            InputError, match=r"cannot make 7 folds of 6 groups of stimuli by 'run'"
        ):
            split_stimuli(responses, n_folds=7, by="run")
        with pytest.raises(InputError, match="needs by="):
            split_stimuli(responses, n_folds=None)
        with pytest.raises(
            LabelError, match=r"no coordinate 'session' along 'presentation' .* 'repetition', 'run'"
        ):
            split_stimuli(responses, by="session")
        mixed = responses.assign_coords(run=("presentation", responses.repetition.values))
        with pytest.raises(
            InputError, match=r"cv='run' .* leaves out no stimulus: its 2 groups share stimuli"
        ):
            split_stimuli(mixed, n_folds=None, by="run")
        one = responses.assign_coords(run=("presentation", [3] * responses.sizes["presentation"]))
        with pytest.raises(InputError, match="all stimuli have the same label"):
            split_stimuli(one, n_folds=None, by="run")

    def test_labels(self):
        with pytest.raises(LabelError, match=r"folds need the labels of stimuli.*assign_coords"):
            split_stimuli(xr.DataArray(np.zeros((6, 2)), dims=("trial", "neuroid")))
        with pytest.raises(LabelError, match=r"must be unique.*'s0'"):
            split_stimuli(label_features(np.zeros((6, 1))).assign_coords(stimulus=["s0"] * 6))

    def test_ready_folds(self):
        data = label_features(np.zeros((12, 1)))
        with pytest.raises(InputError, match=r"whole numbers \(stimulus\), got float64"):
            read_folds(split_stimuli(data, n_folds=3).astype(float), data, [], 0)
        with pytest.raises(InputError, match="must leave at least 3 stimuli to train on"):
            check_folds(xr.DataArray([0] * 12, dims="stimulus"))
        with pytest.raises(LabelError, match="Missing from cv: 's0'"):
            read_folds(split_stimuli(data, n_folds=3)[1:], data, data.stimulus.values.tolist(), 0)
        with pytest.raises(InputError, match=r"needs 3 folds or more, got 2"):
            check_inner(Folds(np.array([0, 0, 0, 1, 1, 1])))


class TestContiguous:
    def test_blocks_in_order_of_rows(self):
        folds = split_stimuli(label_features(np.zeros((23, 1))), n_folds=4, contiguous=True)
        assert (np.diff(folds.values) >= 0).all()
        assert np.bincount(folds).tolist() == [6, 6, 6, 5]

    @given(n_folds=st.integers(2, 5), gap=st.integers(0, 6), seed=st.integers(0, 1000))
    def test_a_gap_keeps_neighbours_of_the_test_out_of_training(self, n_folds, gap, seed):
        data = label_features(np.zeros((40, 1)))
        folds = split_stimuli(data, n_folds=n_folds, contiguous=True, gap=gap)
        order = np.random.default_rng(seed).permutation(40)
        ids = data.stimulus.values[order].tolist()
        found = read_folds(folds, data, ids, 0)
        for number in range(n_folds):
            test = order[found.find_test(number)]
            train = order[found.find_train(number)]
            nearest = abs(np.subtract.outer(np.arange(40), test)).min(axis=1)
            assert set(test) == set(np.flatnonzero(nearest == 0))
            assert set(train) == set(np.flatnonzero(nearest > gap))

    def test_selection_keeps_the_gap(self):
        data = label_features(np.zeros((40, 1)))
        folds = split_stimuli(data, n_folds=4, contiguous=True, gap=5)
        ids = data.stimulus.values.tolist()
        half = read_folds(folds, data, ids, 0).select(np.arange(0, 40, 2))
        np.testing.assert_array_equal(2 * half.find_test(1), np.arange(10, 20, 2))
        np.testing.assert_array_equal(2 * half.find_train(1), [0, 2, 4, *range(24, 40, 2)])

    def test_whole_groups_in_order(self):
        folds = split_stimuli(build_runs(), n_folds=3, by="run", contiguous=True, gap=1)
        np.testing.assert_array_equal(folds, np.repeat([0, 0, 1, 1, 2, 2], 4))
        np.testing.assert_array_equal(folds.group, np.repeat(np.arange(6), 4))

    def test_errors(self):
        data = label_features(np.zeros((24, 1)))
        with pytest.raises(InputError, match=r"gap=3 .* needs contiguous folds"):
            split_stimuli(data, gap=3)
        with pytest.raises(InputError, match="gap must be a whole number, 0 or more, got -1"):
            split_stimuli(data, contiguous=True, gap=-1)
        with pytest.raises(InputError, match=r"leave out 20 on each side. .*or a smaller gap"):
            split_stimuli(data, n_folds=4, contiguous=True, gap=20)
        ids = [f"s{i}" for i in (*range(12), *range(11, -1, -1))]
        with pytest.raises(InputError, match="repeated in different orders"):
            split_stimuli(label_responses(np.zeros((24, 2)), ids=ids), n_folds=2, contiguous=True)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_groups_that_are_not_known_are_refused(missing):
    runs = np.repeat(np.arange(6), 4).astype(object)
    runs[5] = missing
    data = label_features(np.zeros((24, 1))).assign_coords(run=("stimulus", runs))
    with pytest.raises(LabelError, match=r"'run' must be known throughout"):
        split_stimuli(data, n_folds=None, by="run")


@pytest.mark.parametrize("late", [[5, 14], [0, 2, 1]])
def test_stimuli_that_come_again_alone_have_no_neighbours(late):
    responses = label_responses(
        np.zeros((20 + len(late), 2)), ids=[f"s{i:02d}" for i in [*range(20), *late]]
    )
    with pytest.raises(InputError, match="contiguous folds need stimuli in one order"):
        split_stimuli(responses, n_folds=4, contiguous=True, gap=2)
