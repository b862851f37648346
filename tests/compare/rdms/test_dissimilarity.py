import numpy as np
import oracles
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm
from scipy.spatial.distance import pdist, squareform

from neurolens.compare import METRICS, compute_rdms
from neurolens.compare.stats.linalg import compute_gram
from neurolens.errors import InputError, LabelError, UnknownNameError


def label_features(values, ids=None) -> xr.DataArray:
    dims = ("stimulus", *(f"axis_{k}" for k in range(values.ndim - 1)))
    return xr.DataArray(
        values, dims=dims, coords={"stimulus": ids or [f"s{i}" for i in range(len(values))]}
    )


def build_grams(arrays: dict) -> xr.Dataset:
    flat = {op: array.values.reshape(array.sizes["stimulus"], -1) for op, array in arrays.items()}
    ids = next(iter(arrays.values())).stimulus.values
    return xr.Dataset(
        {
            "gram": (("op", "stimulus", "stimulus_2"), np.stack([x @ x.T for x in flat.values()])),
            "row_sum": (("op", "stimulus"), np.stack([x.sum(axis=1) for x in flat.values()])),
            "n_features": ("op", [x.shape[1] for x in flat.values()]),
        },
        coords={
            "op": list(flat),
            "stimulus": ids,
            "stimulus_2": ids,
            "position": ("op", range(len(flat))),
        },
    )


def build_tree(arrays: dict) -> xr.DataTree:
    return xr.DataTree.from_dict(
        {
            f"/{op}": array.rename("activation").assign_attrs(op=op).to_dataset()
            for op, array in arrays.items()
        }
    )


def build_responses(rng, n_stimuli=5, n_repeats=3) -> xr.DataArray:
    ids = [f"s{i}" for i in range(n_stimuli)] * n_repeats
    regions = ["V1", "V1", "V1", "IT", "IT", "IT", "V1", "V1", "V1"]
    subjects = ["B", "B", "B", "B", "B", "B", "A", "A", "A"]
    return xr.DataArray(
        rng.normal(size=(len(ids), len(regions))),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", ids),
            "repetition": ("presentation", np.repeat(range(n_repeats), n_stimuli)),
            "neuroid_id": ("neuroid", [f"n{k}" for k in range(len(regions))]),
            "region": ("neuroid", regions),
            "subject": ("neuroid", subjects),
        },
    )


@pytest.mark.parametrize("metric", METRICS)
class TestOracles:
    def test_loops(self, rng, metric):
        features = label_features(rng.normal(size=(6, 4, 3)) + 2)
        rdm = compute_rdms(features, metric=metric)
        np.testing.assert_allclose(rdm.values, oracles.rdm(features.values, metric), atol=1e-12)
        assert rdm.name == "rdm"
        assert rdm.attrs["metric"] == metric

    def test_scipy(self, rng, metric):
        values = rng.normal(size=(8, 30)) + 1
        name, scale = ("sqeuclidean", 30) if metric == "euclidean" else (metric, 1)
        expected = squareform(pdist(values, name)) / scale
        np.testing.assert_allclose(
            compute_rdms(label_features(values), metric=metric).values, expected, atol=1e-12
        )

    def test_every_route_agrees(self, rng, metric):
        arrays = {
            "conv/conv2d": label_features(rng.normal(size=(5, 3, 2, 2))),
            "relu/relu": label_features(np.maximum(rng.normal(size=(5, 12)), 0)),
        }
        from_tree = compute_rdms(build_tree(arrays), metric=metric)
        from_grams = compute_rdms(build_grams(arrays), metric=metric)
        xr.testing.assert_allclose(from_tree, from_grams.drop_vars("position"), atol=1e-12)
        assert from_grams.dims == ("op", "stimulus", "stimulus_2")
        assert from_grams.position.values.tolist() == [0, 1]
        for op, array in arrays.items():
            xr.testing.assert_allclose(
                compute_rdms(array, metric=metric), from_tree.sel(op=op, drop=True), atol=1e-12
            )
            one = compute_rdms(build_grams(arrays).sel(op=op), metric=metric)
            np.testing.assert_allclose(one.values, from_grams.sel(op=op).values)

    def test_exactly_symmetric_and_zero_on_the_diagonal(self, rng, metric):
        rdm = compute_rdms(
            label_features(rng.normal(size=(40, 17)).astype(np.float32)), metric=metric
        ).values
        np.testing.assert_array_equal(rdm, rdm.T)
        np.testing.assert_array_equal(np.diag(rdm), 0)
        assert rdm.dtype == np.float64

    def test_asymmetric_rounding_of_a_gram_is_evened_out(self, rng, metric):
        grams = build_grams({"relu": label_features(rng.normal(size=(5, 6)))})
        grams["gram"] += 1e-9 * rng.random((1, 5, 5))
        rdm = compute_rdms(grams, metric=metric).values[0]
        np.testing.assert_array_equal(rdm, rdm.T)

    def test_integers_and_bools(self, rng, metric):
        values = rng.integers(1, 9, size=(5, 8)).astype(np.uint8)
        rdm = compute_rdms(label_features(values), metric=metric)
        np.testing.assert_allclose(
            rdm.values, oracles.rdm(values.astype(float), metric), atol=1e-12
        )
        flags = np.tril(np.ones((4, 5), dtype=bool))
        rdm = compute_rdms(label_features(flags), metric=metric)
        np.testing.assert_allclose(rdm.values, oracles.rdm(flags.astype(float), metric), atol=1e-12)

    @given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 7))
    def test_permuting_stimuli_permutes_the_rdm(self, metric, seed, n):
        rng = np.random.default_rng(seed)
        features = label_features(rng.normal(size=(n, 6)))
        order = rng.permutation(n)
        moved = compute_rdms(features.isel(stimulus=order), metric=metric)
        expected = compute_rdms(features, metric=metric).isel(stimulus=order, stimulus_2=order)
        xr.testing.assert_allclose(moved, expected, atol=1e-12)


@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_rsatoolbox(rng, metric):
    values = rng.normal(size=(8, 30))
    expected = calc_rdm(Dataset(values), method=metric).get_matrices()[0]
    np.testing.assert_allclose(
        compute_rdms(label_features(values), metric=metric).values, expected, atol=1e-12
    )


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_scaling_the_features(seed, scale, offset):
    x = label_features(np.random.default_rng(seed).normal(size=(5, 9)))
    np.testing.assert_allclose(compute_rdms(x * scale + offset), compute_rdms(x), atol=1e-8)
    np.testing.assert_allclose(
        compute_rdms(x * scale, metric="cosine"), compute_rdms(x, metric="cosine"), atol=1e-12
    )
    moved = compute_rdms(x * scale + offset, metric="euclidean")
    np.testing.assert_allclose(
        moved, scale**2 * compute_rdms(x, metric="euclidean"), rtol=1e-8, atol=1e-8
    )


def test_known_answers():
    x = label_features(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0]]))
    assert compute_rdms(x, metric="euclidean").values[0].tolist() == [0.0, 0.5, 0.25]
    assert compute_rdms(x, metric="cosine").values[0].tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(compute_rdms(x).values[0], [0, 4 / 3, 0], atol=1e-15)


def test_offset_does_not_cost_digits(rng):
    x = label_features(rng.normal(size=(6, 50)))
    for metric in ("correlation", "euclidean"):
        np.testing.assert_allclose(
            compute_rdms(x + 1e6, metric=metric), compute_rdms(x, metric=metric), atol=1e-8
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [0, 4, 9])
def test_a_stimulus_far_from_all_others_costs_them_no_digits(rng, dtype, place):
    values = rng.normal(size=(10, 40))
    values[place] = 1e9
    values = values.astype(dtype)
    expected = squareform(pdist(values.astype(float), "sqeuclidean")) / 40
    found = compute_rdms(label_features(values), metric="euclidean")
    np.testing.assert_allclose(found.squeeze(), expected, rtol=1e-6)


def test_gram_in_blocks_is_the_gram(rng):
    x = rng.normal(size=(4, 23))
    gram, row_sum = compute_gram(x, np.zeros((1, 1)), block_bytes=4 * 8 * 5)
    np.testing.assert_allclose(gram, x @ x.T, atol=1e-12)
    np.testing.assert_allclose(row_sum, x.sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("shift", [None, "first"])
@pytest.mark.parametrize("layout", ["C", "F", "columns", "strided", "float32", "int16", "float16"])
def test_gram_of_any_layout_is_the_gram(rng, layout, shift):
    # More features than one block holds, and a rest.
    x = rng.normal(size=(300, 1100)).round(2) * 100
    arrays = {"C": x, "F": np.asfortranarray(x), "columns": x[:, 1:1099], "strided": x[::2, ::2]}
    features = arrays[layout] if layout in arrays else x.astype(layout)
    wide = features.astype(np.float64) - (0 if shift is None else features[:, :1])
    gram, row_sum = compute_gram(
        features, None if shift is None else features[:, :1].astype(np.float64)
    )
    np.testing.assert_allclose(gram, wide @ wide.T, rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(row_sum, wide.sum(axis=1), rtol=1e-10, atol=1e-6)
    assert gram.dtype == row_sum.dtype == np.float64


def correlate_exactly(values):
    """Return the correlation distances, in long doubles and without a subtraction from 1."""
    x = values.astype(np.longdouble)
    x = x - x.mean(axis=1, keepdims=True)
    x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
    return (((x[:, None] - x[None]) ** 2).sum(axis=-1) / 2).astype(np.float64)


class TestDigits:
    """A common offset does not reduce precision, wherever it occurs."""

    @pytest.mark.parametrize("offset", [0, 0.1, 1, 2, 1e3, 1e6])
    def test_of_one_stimulus(self, rng, offset):
        values = rng.normal(size=(6, 3000))
        values[4] += offset
        found = compute_rdms(label_features(values)).values
        np.testing.assert_allclose(found, correlate_exactly(values), rtol=0, atol=1e-14)

    def test_of_all_but_the_few_features_that_are_looked_at_first(self, rng):
        values = rng.normal(size=(4, 64_000)) + np.where(np.arange(64_000) % 2000, 1e3, 0)
        found = compute_rdms(label_features(values)).values
        np.testing.assert_allclose(found, correlate_exactly(values), rtol=0, atol=1e-14)

    @pytest.mark.parametrize("offset", [0, 1e4])
    def test_of_near_duplicates(self, rng, offset):
        values = rng.normal(size=(4, 2000)) + offset
        values[1] = values[0] + 1e-5 * rng.normal(size=2000)
        found = compute_rdms(label_features(values)).values
        np.testing.assert_allclose(found, correlate_exactly(values), rtol=0, atol=1e-14)
        found = compute_rdms(label_features(values), metric="euclidean").values[0, 1]
        # A difference of products of about 2: whichever pair it is, this many digits are left.
        exact = ((values[0] - values[1]) ** 2).mean()
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-14)

    def test_a_constant_stimulus_among_central_ones(self, rng):
        values = rng.normal(size=(4, 3000))
        for constant in (0, 0.1, 1e6):
            values[2] = constant
            with pytest.warns(RuntimeWarning, match="the data: stimuli 's2'"):
                rdm = compute_rdms(label_features(values)).values
            assert np.isnan(rdm[2, [0, 1, 3]]).all()
            np.testing.assert_allclose(
                rdm[0, [1, 3]], 1 - np.corrcoef(values[[0, 1, 3]])[0, 1:], atol=1e-12
            )


class TestResponses:
    def test_one_rdm_per_region_and_subject(self, rng):
        responses = build_responses(rng)
        rdms = compute_rdms(responses)
        assert rdms.dims == ("region", "subject", "stimulus", "stimulus_2")
        assert rdms.region.values.tolist() == ["V1", "IT"]
        assert rdms.subject.values.tolist() == ["B", "A"]
        means = responses.values.reshape(3, 5, 9).mean(axis=0)
        np.testing.assert_allclose(
            rdms.sel(region="IT", subject="B"), oracles.rdm(means[:, 3:6], "correlation")
        )
        np.testing.assert_allclose(
            rdms.sel(region="V1", subject="A"), oracles.rdm(means[:, 6:], "correlation")
        )
        assert np.isnan(rdms.sel(region="IT", subject="A").values).all()

    def test_uneven_repeats_and_order_of_presentations(self, rng):
        responses = build_responses(rng).isel(presentation=[4, 0, 1, 2, 3, 5, 9, 14])
        rdms = compute_rdms(responses.drop_vars(["region", "subject"]), metric="euclidean")
        assert rdms.stimulus.values.tolist() == ["s4", "s0", "s1", "s2", "s3"]
        means = [
            responses.values[responses.stimulus_id.values == s].mean(axis=0)
            for s in rdms.stimulus.values
        ]
        np.testing.assert_allclose(rdms.values, oracles.rdm(means, "euclidean"), atol=1e-12)

    def test_stimulus_by_neuroid(self, rng):
        values = rng.normal(size=(4, 5))
        responses = label_features(values).rename(axis_0="neuroid")
        assert compute_rdms(responses).dims == ("stimulus", "stimulus_2")
        np.testing.assert_allclose(
            compute_rdms(responses.T), oracles.rdm(values, "correlation"), atol=1e-12
        )
        one = compute_rdms(responses.assign_coords(region="IT"))
        assert one.sizes == {"region": 1, "stimulus": 4, "stimulus_2": 4}

    def test_infinity_names_stimuli_and_neuroids(self, rng):
        responses = build_responses(rng)
        responses[7, 4] = np.inf
        with pytest.raises(InputError, match=r"stimuli 's2'; neuroids 'n4'"):
            compute_rdms(responses)

    def test_no_stimulus_id(self, rng):
        with pytest.raises(LabelError, match=r"assign_coords\(stimulus_id="):
            compute_rdms(build_responses(rng).drop_vars("stimulus_id"))

    def test_extra_dimension(self, rng):
        with pytest.raises(LabelError, match="responses must have dimensions"):
            compute_rdms(build_responses(rng).expand_dims(band=2))


class TestDeadStimuli:
    def test_correlation_warns_and_gives_nan(self, rng):
        values = rng.normal(size=(4, 6)).astype(np.float32)
        values[2] = 0.1
        arrays = {"conv": label_features(values + 1), "relu": label_features(values)}
        with pytest.warns(
            RuntimeWarning, match=r"op 'conv': stimuli 's2'; op 'relu': stimuli 's2'"
        ):
            rdms = compute_rdms(build_tree(arrays))
        assert np.isnan(rdms.values[0, 2, [0, 1, 3]]).all()
        assert np.isfinite(rdms.values[0][np.ix_([0, 1, 3], [0, 1, 3])]).all()
        assert rdms.values[0, 2, 2] == 0

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_rounding_in_a_gram_is_not_variance(self, rng, dtype):
        values = rng.normal(size=(4, 3000)).astype(dtype)
        values[1] = 0.1
        with pytest.warns(RuntimeWarning, match="op 'relu': stimuli 's1'"):
            rdms = compute_rdms(build_grams({"relu": label_features(values)}))
        assert np.isnan(rdms.values[0, 1, 0])

    def test_cosine(self, rng):
        values = rng.normal(size=(4, 6))
        values[0] = 0
        with pytest.warns(
            RuntimeWarning, match=r"cosine distance is undefined .* the data: stimuli 's0'"
        ):
            rdm = compute_rdms(label_features(values), metric="cosine")
        assert np.isnan(rdm.values[0, 1])

    def test_absent_subject_is_not_dead(self, rng):
        rdms = compute_rdms(build_responses(rng))
        assert np.isnan(rdms.values).any()

    def test_euclidean_is_defined(self, rng):
        values = rng.normal(size=(4, 6))
        values[0] = 0
        assert np.isfinite(compute_rdms(label_features(values), metric="euclidean").values).all()


class TestErrors:
    def test_unknown_metric(self, rng):
        with pytest.raises(
            UnknownNameError, match=r"no metric named 'corelation'. Closest: 'correlation'"
        ):
            compute_rdms(label_features(rng.normal(size=(3, 4))), metric="corelation")

    def test_not_labelled(self, rng):
        with pytest.raises(InputError, match=r"got ndarray. Label an array first"):
            compute_rdms(rng.normal(size=(3, 4)))

    def test_no_stimulus_dimension(self, rng):
        with pytest.raises(LabelError, match="must have the dimension 'stimulus'"):
            compute_rdms(xr.DataArray(rng.normal(size=(3, 4)), dims=("image", "unit")))

    def test_no_ids(self, rng):
        with pytest.raises(LabelError, match="no labels along 'stimulus'"):
            compute_rdms(xr.DataArray(rng.normal(size=(3, 4)), dims=("stimulus", "unit")))

    def test_too_few_stimuli(self, rng):
        with pytest.raises(InputError, match="at least 3 stimuli, got 2"):
            compute_rdms(label_features(rng.normal(size=(2, 4))))
        with pytest.raises(InputError, match="responses must hold at least 3 stimuli, got 2"):
            compute_rdms(build_responses(rng, n_stimuli=2))

    def test_no_features(self):
        with pytest.raises(InputError, match="has no features"):
            compute_rdms(label_features(np.zeros((3, 0))))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, rng, bad):
        values = rng.normal(size=(4, 5))
        values[3, 1] = bad
        with pytest.raises(
            InputError, match="op 'relu' must be finite, but there is NaN or inf in stimuli 's3'"
        ):
            compute_rdms(build_tree({"relu": label_features(values)}))
        grams = build_grams({"relu": label_features(rng.normal(size=(4, 5)))})
        grams["gram"][0, 1, 2] = bad
        with pytest.raises(InputError, match="the Gram of op 'relu' must be finite"):
            compute_rdms(grams)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite_wherever_it_stands(self, rng, metric, dtype, bad):
        for others in (None, 0, 1, bad, np.finfo(dtype).max):
            for i, j in np.ndindex(4, 5):
                values = rng.normal(size=(4, 5)).astype(dtype)
                if others is not None:
                    values[:, j] = others
                values[i, j] = bad
                who = "'s0', 's1', 's2', 's3'" if others is bad else f"'s{i}'"
                with pytest.raises(
                    InputError, match=f"must be finite, but there is NaN or inf in stimuli {who}"
                ):
                    compute_rdms(label_features(values), metric=metric)

    @pytest.mark.parametrize("metric", METRICS)
    def test_too_large_to_square(self, rng, metric):
        values = rng.normal(size=(4, 5))
        values[1, 2] = -1e200
        with pytest.raises(
            InputError,
            match=r"op 'relu' holds numbers too large to square: up to 1e\+200. Scale it",
        ):
            compute_rdms(build_tree({"relu": label_features(values)}), metric=metric)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint64])
    def test_the_largest_of_small_types(self, rng, metric, dtype):
        info = np.finfo(dtype) if dtype == np.float16 else np.iinfo(dtype)
        values = rng.choice(np.array([info.min, info.max, 1], dtype), size=(4, 40))
        expected = oracles.rdm(values.astype(np.float64), metric)
        np.testing.assert_allclose(
            compute_rdms(label_features(values), metric=metric), expected, rtol=1e-12
        )

    def test_complex(self, rng):
        with pytest.raises(InputError, match="real numbers, got dtype complex128"):
            compute_rdms(label_features(rng.normal(size=(4, 5)) + 1j))

    def test_repeated_ids(self, rng):
        with pytest.raises(LabelError, match="must be unique, but these repeat: 'a'"):
            compute_rdms(label_features(rng.normal(size=(3, 5)), ["a", "b", "a"]))

    def test_ops_with_different_stimuli(self, rng):
        x = label_features(rng.normal(size=(3, 5)))
        with pytest.raises(LabelError, match="op 'b' and the first op must hold the same 3 ids"):
            compute_rdms(build_tree({"a": x, "b": x.assign_coords(stimulus=["s0", "s1", "other"])}))

    def test_ops_in_another_order_are_aligned(self, rng):
        x = label_features(rng.normal(size=(4, 5)))
        rdms = compute_rdms(build_tree({"a": x, "b": x.isel(stimulus=[2, 0, 3, 1])}))
        np.testing.assert_allclose(rdms[1], rdms[0], atol=1e-12)

    def test_empty_tree(self):
        with pytest.raises(InputError, match="no variable 'activation'"):
            compute_rdms(xr.DataTree())

    def test_not_grams(self):
        with pytest.raises(InputError, match="holds no 'gram', 'row_sum', only 'n_features'"):
            compute_rdms(xr.Dataset({"n_features": ("op", [1])}))


def test_node_path_names_an_op_without_a_name(rng):
    tree = xr.DataTree.from_dict(
        {"/layer1/relu": xr.Dataset({"activation": label_features(rng.normal(size=(3, 4)))})}
    )
    assert compute_rdms(tree).op.values.tolist() == ["layer1/relu"]
