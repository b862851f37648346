import numpy as np
import oracles
import pytest
import xarray as xr
from brains import build_grams, label_features, label_responses
from hypothesis import given
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.data.noise import prec_from_unbalanced
from rsatoolbox.rdm import calc_rdm

from neurolens.compare import NOISE_METRICS, compute_rdms
from neurolens.compare.rdms.crossnobis import NOISES
from neurolens.errors import InputError, LabelError, UnknownNameError

IDS = ["dog", "cat", "ape", "cup"]


def build_runs(rng, n_runs=3, p=12, shuffle=True) -> xr.DataArray:
    """Return responses to 4 stimuli in each run, the presentations in random order."""
    signal = rng.normal(size=(4, p))
    values = np.concatenate(
        [signal + rng.normal(size=(4, p)) @ np.diag(np.linspace(0.3, 2, p)) for _ in range(n_runs)]
    )
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", IDS * n_runs),
            "run": ("presentation", np.repeat([f"r{k}" for k in range(n_runs)], 4)),
        },
    )
    return responses.isel(presentation=rng.permutation(4 * n_runs)) if shuffle else responses


def ask_rsatoolbox(responses, metric, noise):
    data = Dataset(
        responses.values.copy(),
        obs_descriptors={
            "stimulus": responses.stimulus_id.values.tolist(),
            "run": responses.run.values.tolist(),
        },
    )
    precision = (
        prec_from_unbalanced(data, "stimulus", method="shrinkage_eye")
        if noise == "ledoit-wolf"
        else None
    )
    options = {"cv_descriptor": "run"} if metric == "crossnobis" else {}
    rdm = calc_rdm(data, method=metric, descriptor="stimulus", noise=precision, **options)
    order = [
        list(rdm.pattern_descriptors["stimulus"]).index(s)
        for s in dict.fromkeys(responses.stimulus_id.values)
    ]
    return rdm.get_matrices()[0][np.ix_(order, order)]


@pytest.mark.parametrize("p", [3, 12, 60])
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("metric", NOISE_METRICS)
class TestOracles:
    def test_rsatoolbox(self, rng, metric, noise, p):
        if noise == "ledoit-wolf-per-run":
            pytest.skip("rsatoolbox has no noise that differs between folds")
        responses = build_runs(rng, p=p)
        found = compute_rdms(responses, metric=metric, noise=noise)
        np.testing.assert_allclose(
            found.values, ask_rsatoolbox(responses, metric, noise), rtol=1e-8, atol=1e-10
        )
        assert found.attrs == {"metric": metric, "noise": noise}

    def test_loops(self, rng, metric, noise, p):
        responses = build_runs(rng, p=p)
        expected = oracles.noisy_rdm(
            responses.values, responses.stimulus_id.values, responses.run.values, metric, noise
        )
        np.testing.assert_allclose(
            compute_rdms(responses, metric=metric, noise=noise), expected, rtol=1e-8, atol=1e-10
        )

    def test_gram_of_presentations(self, rng, metric, noise, p):
        responses = build_runs(rng, p=p)
        labels = [f"p{k}" for k in range(12)]
        gram = xr.Dataset(
            {
                "gram": (("op", "stimulus", "stimulus_2"), [responses.values @ responses.values.T]),
                "row_sum": (("op", "stimulus"), [responses.values.sum(axis=1)]),
                "n_features": ("op", [p]),
            },
            coords={"op": ["relu"], "stimulus": labels, "stimulus_2": labels}
            | {name: ("stimulus", responses[name].values) for name in ("stimulus_id", "run")},
        )
        found = compute_rdms(gram, metric=metric, noise=noise)
        assert found.dims == ("op", "stimulus", "stimulus_2")
        expected = compute_rdms(responses, metric=metric, noise=noise)
        assert found.stimulus.values.tolist() == expected.stimulus.values.tolist()
        np.testing.assert_allclose(found.values[0], expected, rtol=1e-8, atol=1e-10)


def test_unbalanced_runs(rng):
    responses = build_runs(rng, n_runs=4, shuffle=False)
    kept = [k for k in range(16) if k not in (2, 7)]
    responses = xr.concat(
        [responses.isel(presentation=kept), responses.isel(presentation=[0, 9])], "presentation"
    )
    found = compute_rdms(responses, metric="crossnobis")
    expected = oracles.noisy_rdm(
        responses.values,
        responses.stimulus_id.values,
        responses.run.values,
        "crossnobis",
        "ledoit-wolf-per-run",
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_crossnobis_is_zero_on_average_without_a_difference(rng):
    """Biased distances are far above zero here."""
    crossed, whitened, plain, per_run = [], [], [], []
    for _ in range(200):
        noise = build_runs(rng, n_runs=4, p=8)
        noise.values[:] = rng.normal(size=noise.shape)
        pairs = np.triu_indices(4, 1)
        crossed.append(
            compute_rdms(noise, metric="crossnobis", noise="identity").values[pairs].mean()
        )
        whitened.append(
            compute_rdms(noise, metric="crossnobis", noise="ledoit-wolf").values[pairs].mean()
        )
        per_run.append(compute_rdms(noise, metric="crossnobis").values[pairs].mean())
        plain.append(compute_rdms(noise, metric="mahalanobis").values[pairs].mean())
    assert abs(np.mean(crossed)) < 3 * np.std(crossed) / np.sqrt(200)
    assert abs(np.mean(per_run)) < 3 * np.std(per_run) / np.sqrt(200)
    assert min(crossed) < 0
    # Noise measured on the same presentations leaves some of the bias.
    assert 0 < 4 * np.mean(whitened) < np.mean(plain)


def test_default_is_told(rng):
    responses = build_runs(rng)
    for metric, noise in (("crossnobis", "ledoit-wolf-per-run"), ("mahalanobis", "ledoit-wolf")):
        found = compute_rdms(responses, metric=metric)
        xr.testing.assert_identical(found, compute_rdms(responses, metric=metric, noise=noise))
        assert found.attrs["noise"] == noise


def test_run_is_a_coordinate_of_presentations(rng):
    """There are as many neuroids as presentations; a coordinate of neuroids is not one of runs."""
    responses = build_runs(rng).assign_coords(session=("neuroid", np.repeat([0, 1], 6)))
    expected = compute_rdms(responses, metric="crossnobis")
    renamed = responses.rename(run="fold", session="run")
    with pytest.raises(
        LabelError, match=r"which run each presentation was in: Name .* 'stimulus_id', 'fold'\.\n"
    ):
        compute_rdms(renamed, metric="crossnobis")
    with pytest.raises(LabelError, match="no coordinate on presentation named 'run'"):
        compute_rdms(renamed, metric="crossnobis", runs="run")
    xr.testing.assert_identical(compute_rdms(renamed, metric="crossnobis", runs="fold"), expected)


def test_known_answer():
    # Two runs, one feature: (1 - 0)(3 - 1) = 2 both ways for a, b; c - a: (2 - 1)(4 - 3) = 1; c -
    # b: 2 * 3 = 6.
    responses = xr.DataArray(
        np.array([[1.0], [0], [2], [3], [1], [4]]),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", list("abcabc")),
            "repetition": ("presentation", [0, 0, 0, 1, 1, 1]),
        },
    )
    rdm = compute_rdms(responses, metric="crossnobis", noise="identity")
    np.testing.assert_allclose(rdm.values, [[0, 2, 1], [2, 0, 6], [1, 6, 0]])


@given(seed=st.integers(0, 2**32 - 1), offset=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100))
def test_offset_and_scale_do_not_matter_once_whitened(seed, offset, scale):
    responses = build_runs(np.random.default_rng(seed))
    for metric in NOISE_METRICS:
        moved = compute_rdms(responses * scale + offset, metric=metric)
        np.testing.assert_allclose(
            moved, compute_rdms(responses, metric=metric), rtol=1e-5, atol=1e-6
        )


def test_stimulus_in_one_run_only_is_nan_and_named(rng):
    responses = build_runs(rng, shuffle=False).isel(presentation=[0, 1, 2, 3, 4, 5, 6, 8, 9, 10])
    with pytest.warns(
        RuntimeWarning, match=r"no run has both.*NaN in the data: stimuli 'dog', .*'cup'. Drop"
    ):
        rdm = compute_rdms(responses, metric="crossnobis")
    assert np.isnan(rdm.sel(stimulus="cup", stimulus_2="dog"))
    assert np.isfinite(rdm.sel(stimulus="cat", stimulus_2="dog"))


def test_constant_voxel_is_no_trouble(rng):
    responses = build_runs(rng)
    responses[:, 3] = 5.0
    assert np.isfinite(compute_rdms(responses, metric="crossnobis").values).all()


class TestTime:
    @pytest.mark.parametrize("metric", ["correlation", "crossnobis"])
    def test_each_time_bin_is_an_rdm_of_its_own(self, rng, metric):
        bins = [build_runs(rng, shuffle=False) for _ in range(3)]
        responses = xr.concat(bins, "time_bin").assign_coords(
            time_bin_start=("time_bin", [70, 90, 110]), region=("neuroid", ["IT"] * 6 + ["V1"] * 6)
        )
        rdms = compute_rdms(responses, metric=metric)
        assert rdms.dims == ("region", "time_bin", "stimulus", "stimulus_2")
        assert rdms.time_bin_start.values.tolist() == [70, 90, 110]
        for t in range(3):
            alone = compute_rdms(responses.isel(time_bin=t, drop=True), metric=metric)
            np.testing.assert_allclose(rdms.isel(time_bin=t), alone, atol=1e-12)

    def test_infinity_in_one_bin_names_the_neuroid(self, rng):
        responses = xr.concat([build_runs(rng, shuffle=False)] * 2, "time_bin").copy()
        responses[1, 2, 5] = np.inf
        with pytest.raises(InputError, match="stimuli 'ape'; neuroids 5"):
            compute_rdms(responses)


class TestErrors:
    def test_no_repeats(self, rng):
        responses = build_runs(rng).isel(presentation=slice(0, 12))
        once = responses.isel(
            presentation=[list(responses.stimulus_id.values).index(s) for s in IDS]
        )
        with pytest.raises(InputError, match="no stimulus repeats"):
            compute_rdms(once, metric="crossnobis")

    def test_features_have_no_repeats(self, rng):
        features = xr.DataArray(
            rng.normal(size=(4, 3)), dims=("stimulus", "unit"), coords={"stimulus": IDS}
        )
        with pytest.raises(InputError, match="holds each stimulus once"):
            compute_rdms(features, metric="mahalanobis")
        tree = xr.DataTree.from_dict({"/a": xr.Dataset({"activation": features})})
        with pytest.raises(InputError, match="a DataTree of activations holds each stimulus once"):
            compute_rdms(tree, metric="mahalanobis")

    def test_features_with_presentations_have(self, rng):
        responses = build_runs(rng)
        features = (
            responses.rename(neuroid="x").expand_dims(y=2).transpose("presentation", "y", "x")
        )
        assert compute_rdms(features, metric="crossnobis").dims == ("stimulus", "stimulus_2")

    def test_no_run(self, rng):
        with pytest.raises(LabelError, match=r"Name it with runs='...'; there are 'stimulus_id'"):
            compute_rdms(build_runs(rng).drop_vars("run"), metric="crossnobis")
        with pytest.raises(
            LabelError, match="no coordinate on presentation named 'runn'. Closest: 'run'"
        ):
            compute_rdms(build_runs(rng), metric="crossnobis", runs="runn")

    def test_one_run(self, rng):
        responses = build_runs(rng)
        responses["run"] = responses.run.copy(data=["r0"] * 12)
        with pytest.raises(InputError, match="at least 2 runs, and 'run' has one value"):
            compute_rdms(responses, metric="crossnobis")

    def test_two_runs_leave_no_noise_for_each(self, rng):
        responses = build_runs(rng, n_runs=2)
        with pytest.raises(
            InputError, match=r"leave 0 degrees.*have 3 runs, or pass noise='identity'"
        ):
            compute_rdms(responses, metric="crossnobis")
        assert (
            compute_rdms(responses, metric="crossnobis", noise="ledoit-wolf").attrs["noise"]
            == "ledoit-wolf"
        )

    def test_no_noise(self, rng):
        responses = build_runs(rng, shuffle=False)
        responses.values[:] = np.tile(responses.values[:4], (3, 1))
        with pytest.raises(InputError, match=r"repeats do not differ.*noise='identity'"):
            compute_rdms(responses, metric="crossnobis")

    def test_settings(self, rng):
        with pytest.raises(
            UnknownNameError, match="no noise named 'ledoit'. Closest: 'ledoit-wolf'"
        ):
            compute_rdms(build_runs(rng), metric="crossnobis", noise="ledoit")
        with pytest.raises(InputError, match="runs= is for metric='crossnobis'"):
            compute_rdms(build_runs(rng), runs="run")
        with pytest.raises(InputError, match="hold no neuroids"):
            compute_rdms(build_runs(rng).isel(neuroid=slice(0)))


@pytest.mark.parametrize("missing", [np.nan, None])
def test_presentations_without_a_run_are_no_run_of_their_own(rng, missing):
    """There are three runs of four stimuli; the run of the last presentations is unknown."""
    ids = ["a", "b", "c", "d"] * 3
    runs = np.array([0.0] * 4 + [1.0] * 4 + [missing] * 4, dtype=float if missing else object)
    responses = label_responses(rng.normal(size=(12, 5)), ids=ids)
    responses = responses.assign_coords(run=("presentation", runs))
    with pytest.raises(
        LabelError, match=r"the run 'run' of presentations must be known .* 4 of 12"
    ):
        compute_rdms(responses, metric="crossnobis", noise="identity")


def test_the_gram_of_one_op_needs_no_name_of_it(rng):
    grams = build_grams({"conv": label_features(rng.normal(size=(5, 7)))})
    expected = compute_rdms(grams).isel(op=0)
    xr.testing.assert_identical(compute_rdms(grams.isel(op=0)), expected)
    nameless = compute_rdms(grams.isel(op=0, drop=True))
    xr.testing.assert_allclose(nameless.drop_vars("op", errors="ignore"), expected.drop_vars("op"))
