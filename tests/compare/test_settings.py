"""What every public function of compare takes alike: seeds, devices, numbers of draws; and whose the draws are."""

import inspect

import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_grams, label_features, label_responses
from hypothesis import given
from hypothesis import strategies as st
from squares import draw_square, label_squares

from neurolens import compare
from neurolens.compare.settings import check_device, make_generator, rank_ids
from neurolens.errors import InputError

# Of 13 ids in order of their numbers, sorted order is another: "s1", "s10", "s11", "s12", "s2", ...
N = 13
FUNCTIONS = [getattr(compare, name) for name in compare.__all__ if callable(getattr(compare, name))]


def list_takers(setting):
    """Return the names of the public functions of compare that have ``setting``."""
    return sorted(f.__name__ for f in FUNCTIONS if setting in inspect.signature(f).parameters)


def build_responses(rng):
    """Return responses to N stimuli of three categories, each shown twice, which follow the first features."""
    ids = [f"s{i}" for i in range(N)] * 2
    signal = build_features(rng).values[:, :4]
    values = np.concatenate([signal, signal]) + rng.normal(size=(2 * N, 4))
    responses = label_responses(values, ids=ids, region=["V1", "V1", "IT", "IT"])
    category = [f"c{int(i[1:]) % 3}" for i in ids]
    return responses.assign_coords(category=("presentation", category))


def build_features(rng, seed=0):
    return label_features(np.random.default_rng(seed).normal(size=(N, 5)))


def build_sides(rng):
    model = label_squares([draw_square(rng, N) for _ in "ab"], op=["a", "b"])
    squares = [[draw_square(rng, N) for _ in "PQR"] for _ in "VI"]
    brain = label_squares(squares, region=["V1", "IT"], subject=["P", "Q", "R"])
    return model, brain


# What each function that takes a seed is called with: how its data are made, and its settings.
QUICK = {"n_bootstrap": 8, "n_splits": 2}
SEEDED = {
    "split_stimuli": (lambda rng: (build_responses(rng),), {"n_folds": 3}),
    "fit_encoding": (
        lambda rng: (build_grams({"a": build_features(rng)}), build_responses(rng)),
        {"cv": 2, **QUICK},
    ),
    "permute_encoding": (
        lambda rng: (build_features(rng), build_responses(rng)),
        {"cv": 3, "n_permutations": 9},
    ),
    "fit_banded": (
        lambda rng: ({"a": build_features(rng), "b": build_features(rng, 1)}, build_responses(rng)),
        {"cv": 3, "n_iter": 2},
    ),
    "partition_variance": (
        lambda rng: ({"a": build_features(rng), "b": build_features(rng, 1)}, build_responses(rng)),
        {"cv": 3, "n_iter": 2},
    ),
    "compare_rdms": (build_sides, QUICK),
    "bootstrap_scores": (build_sides, {"n_bootstrap": 8}),
    "permute_scores": (build_sides, {"n_permutations": 9}),
    "compute_split_half": (lambda rng: (build_responses(rng),), {"n_splits": 3}),
    "fit_reweighted_rdms": (
        lambda rng: (build_features(rng), label_squares(draw_square(rng, N))),
        {"n_folds": 3},
    ),
}


def call(name, source, **settings):
    """Return what the function called ``name`` makes of its data, drawn from ``source``."""
    build, own = SEEDED[name]
    return getattr(compare, name)(*build(source), **own | settings)


def move(data, order, shown):
    """Return ``data`` with its stimuli in ``order`` and its presentations as ``shown``."""
    if isinstance(data, dict):
        return {name: move(one, order, shown) for name, one in data.items()}
    places = {"stimulus": order, "stimulus_2": order, "presentation": shown}
    return data.isel({dim: place for dim, place in places.items() if dim in data.dims})


def sort_stimuli(result):
    """Return ``result`` with its stimuli in one order, whatever the order of the data."""
    return result.sortby("stimulus") if "stimulus" in result.dims else result


class TestSeeds:
    def test_every_function_with_a_seed_is_here(self):
        assert list_takers("rng") == sorted(SEEDED)

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.parametrize("seed", ["a", True, -1, 2.0, None, np.random.RandomState])
    def test_what_is_no_seed_is_refused(self, rng, name, seed):
        with pytest.raises(InputError, match=r"rng must be a whole number, 0 or more, or a numpy Gen.*Pass e\.g\. rng"):
            call(name, rng, rng=seed)

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.filterwarnings("ignore:(no ceiling for|no score for|the best penalty):RuntimeWarning")
    def test_a_number_of_numpy_is_one_of_python(self, name):
        found = call(name, np.random.default_rng(0), rng=np.int64(3))
        assert found.identical(call(name, np.random.default_rng(0), rng=3))

    def test_a_generator_goes_on(self):
        generator = np.random.default_rng(3)
        assert make_generator(generator) is generator
        assert make_generator(3).random() == generator.random()

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.filterwarnings("ignore:(no ceiling for|no score for|the best penalty):RuntimeWarning")
    def test_draws_belong_to_ids_and_not_to_places(self, name):
        """Stimuli of each side, and presentations, in other orders: the same folds, halves, draws and scores."""
        build, settings = SEEDED[name]
        data = build(np.random.default_rng(0))
        function = getattr(compare, name)
        expected = sort_stimuli(function(*data, rng=5, **settings))
        rng = np.random.default_rng(1)
        for _ in range(2):
            moved = [move(one, rng.permutation(N), rng.permutation(2 * N)) for one in data]
            found = sort_stimuli(function(*moved, rng=5, **settings))
            xr.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("name", ["fit_encoding", "permute_encoding"])
    @pytest.mark.filterwarnings("ignore:the best penalty:RuntimeWarning")
    def test_folds_of_groups_belong_to_labels(self, rng, name):
        build, settings = SEEDED[name]
        features, responses = build(rng)
        settings = {**settings, "cv": "category"} | ({"n_splits": 0} if name == "fit_encoding" else {})
        expected = getattr(compare, name)(features, responses, **settings)
        moved = responses.isel(presentation=rng.permutation(2 * N))
        found = getattr(compare, name)(features, moved, **settings)
        xr.testing.assert_allclose(sort_stimuli(found), sort_stimuli(expected), rtol=1e-6, atol=1e-9)

    def test_draws_of_subjects_belong_to_their_names(self, rng):
        model, brain = build_sides(rng)
        brain.loc[{"region": "IT", "subject": "P"}] = np.nan
        expected = compare.bootstrap_scores(model, brain, n_bootstrap=9)
        found = compare.bootstrap_scores(model, brain.isel(subject=[2, 0, 1]), n_bootstrap=9)
        np.testing.assert_allclose(found.draws, expected.draws, atol=1e-12)
        np.testing.assert_allclose(found.mean_ci_low, expected.mean_ci_low, atol=1e-12)

    def test_halves_of_regions_belong_to_ids(self, rng):
        """The interval of a held-out score is made by a bootstrap within the half."""
        sides = build_sides(rng)
        order = rng.permutation(N)
        found = []
        for model, brain in (sides, [move(side, order, []) for side in sides]):
            scores = compare.compare_rdms(model, brain, n_bootstrap=20, n_splits=2)
            found.append(compare.assign_regions(scores, rdms=(model, brain)))
        xr.testing.assert_allclose(found[0], found[1])


@given(st.lists(st.one_of(st.integers(), st.text(max_size=3)), unique=True, max_size=12), st.randoms())
def test_ranks_follow_ids(ids, random):
    """Numbers, names, or both."""
    moved = random.sample(ids, len(ids))
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    again = np.empty(len(ids), dtype=object)
    again[:] = moved
    rank = dict(zip(ids, rank_ids(array).tolist(), strict=True))
    assert sorted(rank.values()) == list(range(len(ids)))
    assert [rank[i] for i in moved] == rank_ids(again).tolist()
    if len({type(i) for i in ids}) < 2:
        assert sorted(ids) == sorted(ids, key=rank.get)


class TestDevices:
    def test_every_function_with_a_device_is_here(self):
        assert list_takers("device") == ["fit_encoding", "permute_encoding"]

    @pytest.mark.parametrize("name", ["fit_encoding", "permute_encoding"])
    @pytest.mark.parametrize("device", ["foo", "meta", 2.5, "cpu:x"])
    def test_what_is_no_device_is_refused(self, rng, name, device):
        with pytest.raises(InputError, match=r"device must be one that torch can compute on.*Pass device='cpu'"):
            call(name, rng, device=device)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_device_that_is_not_there_is_refused(self, rng):
        with pytest.raises(InputError, match="got 'cuda': "):
            call("fit_encoding", rng, device="cuda")

    def test_a_device_as_torch_has_it(self):
        for device in ("cpu", torch.device("cpu"), "cpu:0"):
            check_device(device)


class TestDraws:
    def test_every_function_with_draws_is_here(self):
        assert list_takers("n_bootstrap") == ["bootstrap_scores", "compare_rdms", "fit_encoding"]

    @pytest.mark.parametrize("name", ["bootstrap_scores", "compare_rdms", "fit_encoding"])
    def test_a_single_draw_is_refused(self, rng, name):
        with pytest.raises(InputError, match=r"n_bootstrap must be .*2 or more.*got 1.*Pass e\.g\. n_bootstrap=1000"):
            call(name, rng, n_bootstrap=1)
        assert call(name, rng, n_bootstrap=2).attrs["n_bootstrap"] == 2

    def test_a_single_draw_has_no_interval_of_depth(self, rng):
        scores = compare.compare_rdms(*build_sides(rng), **QUICK)
        for function in (compare.locate_peaks, compare.assign_regions, compare.compare_ops):
            function(scores)
            with pytest.raises(InputError, match="two .*or more"):
                function(scores.isel(bootstrap=[3]))
        none = compare.locate_peaks(scores.isel(bootstrap=[]))
        assert np.isnan(none.peak_depth_low).all()

    def test_a_heldout_interval_of_scores_without_draws(self, rng):
        """Is made of the default number, as if the scores had asked for that."""
        sides = build_sides(rng)
        bare, full = (compare.compare_rdms(*sides, n_bootstrap=n, n_splits=2) for n in (0, 1000))
        names = ["heldout_ci_low", "heldout_ci_high", "heldout_p"]
        found, expected = (compare.assign_regions(scores, rdms=sides)[names] for scores in (bare, full))
        xr.testing.assert_identical(found, expected)
