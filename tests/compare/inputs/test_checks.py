"""Checks common to the public functions of compare: arrays, seeds, devices, numbers of draws.

Draws belong to the ids of stimuli.
"""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from brains import build_grams, label_features, label_responses
from hypothesis import given
from hypothesis import strategies as st
from squares import draw_square, label_squares

from neurolens import compare
from neurolens.compare.inputs import checks
from neurolens.compare.inputs.checks import check_device, make_generator, rank_ids
from neurolens.errors import InputError, LabelError

N = 13
FUNCTIONS = [getattr(compare, name) for name in compare.__all__ if callable(getattr(compare, name))]


def list_takers(setting):
    """Return the names of the public functions of compare that have ``setting``."""
    return sorted(f.__name__ for f in FUNCTIONS if setting in inspect.signature(f).parameters)


def build_responses(rng):
    """Return responses to N stimuli of three categories, each shown twice.

    The responses follow the first features.
    """
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


def build_controlled(rng):
    """Return RDMs of a model, of a brain and of one control."""
    model, brain = build_sides(rng)
    return model, brain, label_squares([draw_square(rng, N)], op=["control"])


# Arguments of each function that takes a seed: how its data are made, and its settings.
QUICK = {"n_bootstrap": 8, "n_splits": 2}
SETS = {f"s{i}": "train" if i < 7 else "test" for i in range(N)}
SEEDED = {
    "split_stimuli": (lambda rng: (build_responses(rng),), {"n_folds": 3}),
    "fit_encoding": (
        lambda rng: (build_grams({"a": build_features(rng)}), build_responses(rng)),
        {"cv": 2, **QUICK},
    ),
    "fit_test_sets": (
        lambda rng: (build_features(rng), build_responses(rng)),
        {"split": SETS},
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
    "compare_partial_rdms": (build_controlled, {**QUICK, "n_permutations": 9}),
    "compare_rdms": (build_sides, QUICK),
    "fit_rdm_regression": (build_sides, {"n_bootstrap": 8, "n_permutations": 9, "n_folds": 3}),
    "bootstrap_rdms": (build_sides, {"n_bootstrap": 8}),
    "permute_rdms": (build_sides, {"n_permutations": 9}),
    "compute_split_ceilings": (lambda rng: (build_responses(rng),), {"n_splits": 3}),
    "compute_split_half": (lambda rng: (build_responses(rng),), {"n_splits": 3}),
    "fit_reweighted_rdms": (
        lambda rng: (build_features(rng), label_squares(draw_square(rng, N))),
        {"n_folds": 3},
    ),
}


DEVICED = ["fit_encoding", "fit_test_sets", "permute_encoding"]
DRAWING = [
    "bootstrap_rdms",
    "compare_partial_rdms",
    "compare_rdms",
    "fit_encoding",
    "fit_rdm_regression",
]


def call(name, source, **settings):
    """Return the result of the function called ``name`` for its data, drawn from ``source``."""
    build, own = SEEDED[name]
    return pick_set(getattr(compare, name)(*build(source), **own | settings))


def pick_set(result):
    """Return ``result``, or that of the test set."""
    return result["test"] if isinstance(result, dict) else result


def move(data, order, shown):
    """Return ``data`` with its stimuli in ``order`` and its presentations as ``shown``."""
    if isinstance(data, dict):
        return {name: move(one, order, shown) for name, one in data.items()}
    places = {"stimulus": order, "stimulus_2": order, "presentation": shown}
    return data.isel({dim: place for dim, place in places.items() if dim in data.dims})


def sort_stimuli(result):
    """Return ``result`` with its stimuli in one order, whatever the order of the data."""
    result = pick_set(result)
    return result.sortby("stimulus") if "stimulus" in result.dims else result


class TestSeeds:
    def test_every_function_with_a_seed_is_here(self):
        assert list_takers("rng") == sorted(SEEDED)

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.parametrize("seed", ["a", True, -1, 2.0, None, np.random.RandomState])
    def test_what_is_no_seed_is_refused(self, rng, name, seed):
        with pytest.raises(
            InputError,
            match=r"rng must be a whole number, 0 or more, or a numpy Gen.*Pass e\.g\. rng",
        ):
            call(name, rng, rng=seed)

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.filterwarnings(
        "ignore:(no ceiling for|no score for|the best penalty):RuntimeWarning"
    )
    def test_a_number_of_numpy_is_one_of_python(self, name):
        found = call(name, np.random.default_rng(0), rng=np.int64(3))
        assert found.identical(call(name, np.random.default_rng(0), rng=3))

    def test_a_generator_goes_on(self):
        generator = np.random.default_rng(3)
        assert make_generator(generator) is generator
        assert make_generator(3).random() == generator.random()

    @pytest.mark.parametrize("name", sorted(SEEDED))
    @pytest.mark.filterwarnings(
        "ignore:(no ceiling for|no score for|the best penalty):RuntimeWarning"
    )
    def test_draws_belong_to_ids_and_not_to_places(self, name):
        """Stimuli and presentations in any order give the same folds, halves, draws and scores."""
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
        settings = {**settings, "cv": "category"} | (
            {"n_splits": 0} if name == "fit_encoding" else {}
        )
        expected = getattr(compare, name)(features, responses, **settings)
        moved = responses.isel(presentation=rng.permutation(2 * N))
        found = getattr(compare, name)(features, moved, **settings)
        xr.testing.assert_allclose(
            sort_stimuli(found), sort_stimuli(expected), rtol=1e-6, atol=1e-9
        )

    def test_draws_of_subjects_belong_to_their_names(self, rng):
        model, brain = build_sides(rng)
        brain.loc[{"region": "IT", "subject": "P"}] = np.nan
        expected = compare.bootstrap_rdms(model, brain, n_bootstrap=9)
        found = compare.bootstrap_rdms(model, brain.isel(subject=[2, 0, 1]), n_bootstrap=9)
        np.testing.assert_allclose(found.draws, expected.draws, atol=1e-12)
        np.testing.assert_allclose(found.mean_ci_low, expected.mean_ci_low, atol=1e-12)

    def test_halves_of_regions_belong_to_ids(self, rng):
        """Intervals over subjects too are made by a bootstrap of the RDMs."""
        sides = build_sides(rng)
        order = rng.permutation(N)
        found = []
        for model, brain in (sides, [move(side, order, []) for side in sides]):
            scores = compare.compare_rdms(model, brain, n_bootstrap=20, n_splits=2)
            found.append(compare.assign_regions(scores, rdms=(model, brain)))
        xr.testing.assert_allclose(found[0], found[1])


@given(
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), unique=True, max_size=12), st.randoms()
)
def test_ranks_follow_ids(ids, random):
    """Ids are numbers, names, or both."""
    moved = random.sample(ids, len(ids))
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    again = np.empty(len(ids), dtype=object)
    again[:] = moved
    rank = dict(zip(ids, rank_ids(array).tolist(), strict=True))
    assert sorted(rank.values()) == list(range(len(ids)))
    assert [rank[i] for i in moved] == rank_ids(again).tolist()
    if {type(i) for i in ids} == {int}:
        assert sorted(ids) == sorted(ids, key=rank.get)


def test_numbers_in_names_are_ranked_as_numbers():
    ids = ["s10", "s2", "a", "s1b", "s02", "s1", "12", "9", ""]
    ranked = [ids[k] for k in np.argsort(rank_ids(np.array(ids, dtype=object)))]
    assert ranked == ["", "9", "12", "a", "s1", "s1b", "s02", "s2", "s10"]


class TestDevices:
    def test_every_function_with_a_device_is_here(self):
        assert list_takers("device") == DEVICED

    @pytest.mark.parametrize("name", DEVICED)
    @pytest.mark.parametrize("device", ["foo", "meta", 2.5, "cpu:x"])
    def test_what_is_no_device_is_refused(self, rng, name, device):
        with pytest.raises(
            InputError, match=r"device must be one that torch can compute on.*Pass device='cpu'"
        ):
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
        assert list_takers("n_bootstrap") == DRAWING

    @pytest.mark.parametrize("name", DRAWING)
    def test_a_single_draw_is_refused(self, rng, name):
        with pytest.raises(
            InputError,
            match=r"n_bootstrap must be .*2 or more.*got 1.*Pass e\.g\. n_bootstrap=1000",
        ):
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
        """It is made with the default number of draws, as if the scores had been made with it."""
        sides = build_sides(rng)
        bare, full = (compare.compare_rdms(*sides, n_bootstrap=n, n_splits=2) for n in (0, 1000))
        names = ["heldout_ci_low", "heldout_ci_high", "heldout_p"]
        found, expected = (
            compare.assign_regions(scores, rdms=sides)[names] for scores in (bare, full)
        )
        xr.testing.assert_identical(found, expected)


def build_inputs():
    """Return one of each kind of input of the functions of compare, by kind."""
    rng = np.random.default_rng(2)
    features = build_features(rng)
    places = {f"voxel_{axis}": ("neuroid", rng.normal(size=4)) for axis in "xyz"}
    responses = build_responses(rng).assign_coords(places)
    models, brains = build_sides(rng)
    neuroids = features.rename(axis_0="neuroid")
    fit = compare.fit_encoding(features, responses, cv=2, dual=True, predictions=True)
    return {
        "features": features,
        "responses": responses,
        "spaces": {"a": features, "b": build_features(rng, 1)},
        "models": models,
        "brains": brains,
        "grams": compare.compute_grams(neuroids),
        "brain_grams": compare.compute_grams(responses),
        "scores": compare.compare_rdms(models, brains, **QUICK),
        "networks": {k: compare.compare_rdms(models, brains, **QUICK) for k in "ab"},
        "draws": compare.bootstrap_rdms(models, brains, n_bootstrap=4),
        "fit": fit,
        "sets": compare.fit_test_sets(
            features, responses, split=SETS | {"s0": "b", "s1": "b", "s2": "b"}
        ),
        "encoder": compare.compute_encoding_weights(fit, features),
        "r": fit["r"],
        "predicted": fit["prediction"],
        "ceiling": compare.compute_ncsnr(responses),
        "ceilings": compare.compute_rdm_ceilings(brains),
        "controls": build_controlled(rng)[2],
        "table": pd.DataFrame({"size": np.arange(N)}, index=[f"s{i}" for i in range(N)]),
    }


# Arguments of each public function: kinds of data, and settings. A path stands for a file.
DOORS = {
    "add_ceilings": (["draws", "ceilings"], {}),
    "assign_regions": (["scores"], {}),
    "bootstrap_rdms": (["models", "brains"], {"n_bootstrap": 4}),
    "compare_choices": (["networks"], {}),
    "compare_grams": (["grams", "brain_grams"], {}),
    "compare_models": (["grams", "grams"], {}),
    "compare_ops": (["scores"], {}),
    "compare_partial_rdms": (
        ["models", "brains", "controls"],
        {"n_bootstrap": 0, "n_splits": 0, "n_permutations": 0},
    ),
    "compare_predicted": (["predicted", "responses"], {}),
    "compare_rdms": (["models", "brains"], {"n_bootstrap": 0, "n_splits": 0}),
    "compare_searchlight": (["models", "responses"], {"radius": 9.0}),
    "compare_test_sets": (["sets"], {}),
    "compute_encoding_weights": (["fit", "features"], {}),
    "compute_grams": (["responses"], {}),
    "compute_metadata_rdms": (["table"], {"columns": "size"}),
    "compute_ncsnr": (["responses"], {}),
    "compute_rdm_ceilings": (["brains"], {}),
    "compute_spectrum": (["grams"], {}),
    "compute_rdms": (["responses"], {}),
    "compute_searchlight_rdms": (["responses"], {"radius": 9.0}),
    "compute_split_ceilings": (["responses"], {"n_splits": 2}),
    "compute_split_half": (["responses"], {"n_splits": 2}),
    "fit_banded": (["spaces", "responses"], {"cv": 3, "n_iter": 2}),
    "fit_encoding": (["features", "responses"], {"cv": 2}),
    "fit_rdm_regression": (
        ["models", "brains"],
        {"n_bootstrap": 0, "n_permutations": 0, "n_folds": 3},
    ),
    "fit_reweighted_rdms": (["features", "brains"], {"n_folds": 3}),
    "fit_test_sets": (["features", "responses"], {"split": SETS}),
    "from_rsatoolbox": (["rsatoolbox"], {}),
    "load_encoder": (["encoder_path"], {}),
    "locate_peaks": (["scores"], {}),
    "normalize_scores": (["r", "ceiling"], {}),
    "partition_variance": (["spaces", "responses"], {"cv": 3, "n_iter": 2}),
    "permute_encoding": (["features", "responses"], {"cv": 3, "n_permutations": 2}),
    "permute_rdms": (["models", "brains"], {"n_permutations": 2}),
    "predict_responses": (["encoder", "features"], {}),
    "save_encoder": (["encoder_path", "encoder"], {"overwrite": True}),
    "split_stimuli": (["responses"], {"n_folds": 2}),
    "tabulate_models": (["draws"], {}),
    "to_rsatoolbox": (["models"], {}),
    "to_rsatoolbox_result": (["draws", "models"], {"region": "V1"}),
}
WITH_RSATOOLBOX = {name for name in DOORS if "rsatoolbox" in name}
WRONG = {
    "ndarray": np.ones((N, N)),
    "list": [[1.0, 2.0], [3.0, 4.0]],
    "DataFrame": pd.DataFrame(np.ones((N, 4)), index=[f"s{i}" for i in range(N)]),
    "Dataset": xr.Dataset({"other": ("stimulus", [1.0, 2.0])}),
    "dict": {"a": 1},
    "NoneType": None,
    "DataArray": xr.DataArray(np.ones((N, 4))),
    "int": 3,
}
# A Dataset of anything along stimuli says which stimuli there are; a table may hold metadata.
TAKEN = {("split_stimuli", "Dataset"), ("compute_metadata_rdms", "DataFrame")}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        inputs = build_inputs()
    folder = tmp_path_factory.mktemp("files")
    return inputs | {"encoder_path": folder / "encoder.safetensors"}


class TestDoors:
    def get(self, inputs, kind):
        if kind == "rsatoolbox":
            return compare.to_rsatoolbox(inputs["models"])
        if kind == "encoder_path" and not inputs[kind].exists():
            compare.save_encoder(inputs[kind], inputs["encoder"])
        return inputs[kind]

    def call(self, name, inputs, replaced=None, value=None):
        if name in WITH_RSATOOLBOX:
            pytest.importorskip("rsatoolbox")
        kinds, settings = DOORS[name]
        data = [self.get(inputs, kind) for kind in kinds]
        if replaced is not None:
            data[replaced] = value
        return getattr(compare, name)(*data, **settings)

    def test_every_public_function_is_here(self):
        assert sorted(DOORS) == sorted(f.__name__ for f in FUNCTIONS)

    @pytest.mark.parametrize("name", sorted(DOORS))
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_what_it_expects_is_taken(self, inputs, name):
        self.call(name, inputs)

    @pytest.mark.parametrize("name", sorted(DOORS))
    @pytest.mark.parametrize("kind", sorted(WRONG))
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_what_it_does_not_expect_is_refused_in_a_sentence(self, inputs, name, kind):
        """The error says what was expected, what came, and what to type next."""
        for replaced in range(len(DOORS[name][0])):
            if (name, kind) in TAKEN:
                continue
            with pytest.raises(
                (InputError, LabelError),
                match=r"(must|needs?|takes|holds?|has|have) .*"
                r"(Pass|Label|Rename|Select|Make|Add|Set|use) ",
            ):
                self.call(name, inputs, replaced, WRONG[kind])

    @pytest.mark.parametrize("name", sorted(DOORS))
    def test_an_array_is_told_how_to_be_labelled(self, inputs, name):
        """The code in the message makes an array with labels."""
        for replaced, kind in enumerate(DOORS[name][0]):
            if kind not in ("features", "responses", "models", "brains"):
                continue
            for value, source in (("ndarray", "values"), ("DataFrame", "table.values")):
                with pytest.raises(InputError, match=rf"got {value}\. Label .* first: ") as caught:
                    self.call(name, inputs, replaced, WRONG[value])
                code = caught.value.message.split("first: ")[1].rstrip(".")
                assert code.startswith(f"xr.DataArray({source}, dims=(")
                square = np.ones((4, 4))
                names = {"xr": xr, "values": square, "ids": list("abcd")}
                names["table"] = pd.DataFrame(square, index=list("abcd"))
                labelled = eval(code, names)
                assert labelled.stimulus.values.tolist() == list("abcd")

    @pytest.mark.parametrize("name", sorted(n for n in DOORS if len(set(DOORS[n][0])) == 2))
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_swapped_sides_are_refused(self, inputs, name):
        if name in WITH_RSATOOLBOX:
            pytest.importorskip("rsatoolbox")
        kinds, settings = DOORS[name]
        data = [self.get(inputs, kind) for kind in kinds[::-1]]
        with pytest.raises(
            (InputError, LabelError), match=r"(must|takes) .*(Pass|Rename|Set|fit_encoding)"
        ):
            getattr(compare, name)(*data, **settings)


# Functions that take measured numbers, which may be spikes recorded as True and False.
COUNTED = {
    "compute_rdms": lambda features, responses: compare.compute_rdms(responses),
    "compute_rdms of features": lambda features, responses: compare.compute_rdms(features),
    "crossnobis": lambda features, responses: compare.compute_rdms(
        responses, metric="crossnobis", noise="identity"
    ),
    "compute_grams": lambda features, responses: compare.compute_grams(responses),
    "compute_ncsnr": lambda features, responses: compare.compute_ncsnr(responses),
    "compute_split_ceilings": lambda features, responses: compare.compute_split_ceilings(
        responses, n_splits=3
    ),
    "compute_split_half": lambda features, responses: compare.compute_split_half(responses),
    "fit_encoding": lambda features, responses: compare.fit_encoding(features, responses, cv=2),
    "compute_searchlight_rdms": lambda features, responses: compare.compute_searchlight_rdms(
        responses, radius=9
    ),
    "fit_reweighted_rdms": lambda features, responses: compare.fit_reweighted_rdms(
        features, compare.compute_rdms(responses), n_folds=3
    ),
}


@pytest.mark.parametrize("name", sorted(COUNTED))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_true_and_false_are_one_and_zero(rng, name):
    features = label_features(rng.random((N, 9)) < 0.5)
    twice = [f"s{i}" for i in range(N)] * 2
    places = {f"voxel_{axis}": ("neuroid", rng.normal(size=8)) for axis in "xyz"}
    responses = label_responses(rng.random((2 * N, 8)) < 0.5, ids=twice).assign_coords(places)
    found = COUNTED[name](features, responses)
    xr.testing.assert_allclose(
        found, COUNTED[name](features.astype(float), responses.astype(float))
    )


@pytest.mark.parametrize("missing", [np.nan, None, pd.NaT, pd.NA, "nan", "NaT", "<NA>"])
def test_missing_labels_are_refused(missing):
    labels = np.array([3, "b", missing, missing], dtype=object)
    with pytest.raises(
        LabelError, match=r"'run' of x must be known throughout, and 2 of 4 .* first in place 2"
    ):
        checks.check_labels_known(labels, "'run' of x")


@pytest.mark.parametrize(
    "labels", [["a", ""], [0, 1], [0.5, 1.5], ["None", "none"], [True, False], [b"a", b"b"], []]
)
def test_labels_that_are_known_pass(labels):
    checks.check_labels_known(labels, "'run'")


def test_a_tensor_is_told_how_to_be_labelled():
    with pytest.raises(InputError, match=r"got Tensor\. Label .*values\.numpy\(force=True\)"):
        compare.compute_ncsnr(torch.ones(4, 3))


def test_names_without_a_score_are_told_with_the_reason_and_the_fix():
    with pytest.warns(
        RuntimeWarning, match=r"^no score for 'a', 'b': they rest\. Leave them out\.$"
    ):
        checks.warn_no_score(iter("ab"), "they rest", "Leave them out")
    checks.warn_no_score([], "they rest", "Leave them out")
