"""Predictions of new stimuli against scikit-learn, and the features that are refused."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_tree, label_features, label_responses
from sklearn.linear_model import Ridge

import neurolens as nl
from neurolens.compare import (
    compare_predicted,
    compute_encoding_weights,
    fit_encoding,
    predict_responses,
)
from neurolens.errors import InputError, LabelError, UnknownNameError

PLACES = {"region": ["V1", "V1", "IT", "IT", "V1", "IT"], "subject": ["A", "A", "A", "B", "B", "A"]}


def plant(rng, n=30, shape=(12,), v=6):
    """Return features, and responses of six neuroids that follow them."""
    x = rng.normal(size=(n, *shape))
    flat = x.reshape(n, -1)
    y = flat @ rng.normal(size=(flat.shape[1], v)) + rng.normal(size=(n, v)) + 5
    return label_features(x), label_responses(y, **PLACES)


def fit(features, responses, **settings):
    scores = fit_encoding(features, responses, dual=True, n_splits=0, **settings)
    return compute_encoding_weights(scores, features)


def extract(net, values, ids, **settings):
    stimuli = nl.load_stimuli(values.astype(np.float32), ids=ids)
    return nl.extract_activations(net, stimuli, quiet=True, **settings)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))


class TestTruth:
    @pytest.mark.parametrize("shape", [(12,), (50,), (2, 3, 3)])
    def test_predictions_of_sklearn(self, rng, shape):
        features, responses = plant(rng, shape=shape)
        new = label_features(rng.normal(size=(1, *shape)), prefix="new")
        predicted = predict_responses(fit(features, responses[::-1], alphas=[3.0]), new)
        peer = Ridge(alpha=3.0).fit(features.values.reshape(30, -1), responses.values)
        np.testing.assert_allclose(predicted, peer.predict(new.values.reshape(1, -1)), atol=1e-9)

    def test_penalties_are_those_of_the_fit_to_all_stimuli(self, rng):
        features, responses = plant(rng)
        encoder = fit(features, responses, alphas=[0.1, 10.0, 1000.0])
        for k, alpha in enumerate(encoder.alpha.values):
            peer = Ridge(alpha=alpha).fit(features.values, responses.values[:, k])
            np.testing.assert_allclose(encoder.weight[:, k], peer.coef_, atol=1e-9)

    def test_labels_of_stimuli_and_neuroids_are_kept(self, rng):
        features, responses = plant(rng)
        new = label_features(rng.normal(size=(4, 12)), prefix="new")
        new = new.assign_coords(category=("stimulus", list("abba")))
        predicted = predict_responses(fit(features, responses), new)
        assert predicted.dims == ("stimulus", "neuroid")
        assert predicted.name == "prediction"
        assert predicted.stimulus.values.tolist() == ["new0", "new1", "new2", "new3"]
        assert predicted.category.values.tolist() == list("abba")
        assert predicted.neuroid_id.values.tolist() == [f"n{k}" for k in range(6)]
        assert predicted.region.values.tolist() == PLACES["region"]
        assert predicted.subject.values.tolist() == PLACES["subject"]
        assert predicted.attrs["estimator"] == "ridge regression"

    def test_predictions_go_into_encoding_rsa(self, rng):
        features, responses = plant(rng, n=60)
        encoder = fit(features[:40], responses[:40])
        predicted = predict_responses(encoder, features[40:])
        scores = compare_predicted(predicted, responses[40:], metric="euclidean")
        assert scores.attrs["estimator"] == "ridge regression"
        assert scores.score.sel(region="V1", subject="A").item() > 0.8

    def test_neuroids_that_were_not_fitted_are_nan(self, rng):
        features, responses = plant(rng)
        responses[:, 2] = 4.0
        with pytest.warns(RuntimeWarning, match="no change over presentations in 1: 'n2'"):
            encoder = fit(features, responses)
        predicted = predict_responses(encoder, features)
        assert np.isnan(predicted).all("stimulus").values.tolist() == [k == 2 for k in range(6)]

    def test_an_op_that_does_not_vary_predicts_the_mean(self, rng):
        features, responses = plant(rng)
        constant = (features * 0 + 0.1).astype(np.float32)
        with pytest.warns(RuntimeWarning, match="do not vary"):
            encoder = fit(constant, responses)
        np.testing.assert_allclose(
            predict_responses(encoder, constant)[0], responses.mean("presentation")
        )

    def test_over_time(self, rng):
        features, responses = plant(rng)
        later = responses * 2 - features.values[:, :6]
        timed = xr.concat([responses, later], "time_bin").assign_coords(time_bin=[70, 90])
        encoder = fit(features, timed, alphas=[2.0])
        predicted = predict_responses(encoder, features[:5])
        assert predicted.dims == ("stimulus", "neuroid", "time_bin")
        assert predicted.time_bin.values.tolist() == [70, 90]
        assert predicted.region.values.tolist() == PLACES["region"]
        for time, one in ((70, responses), (90, later)):
            alone = predict_responses(fit(features, one, alphas=[2.0]), features[:5])
            np.testing.assert_allclose(predicted.sel(time_bin=time), alone, atol=1e-9)

    def test_regions_that_overlap_keep_their_names(self, rng):
        features, responses = plant(rng)
        inside = np.arange(6) < 4
        overlapping = responses.drop_vars("region").assign_coords(
            region_V1=("neuroid", inside), region_FFA=("neuroid", ~inside | (np.arange(6) == 0))
        )
        predicted = predict_responses(fit(features, overlapping), features)
        np.testing.assert_array_equal(predicted.region_V1, inside)
        assert "region_FFA" in predicted.coords


class TestSeveralOps:
    def build(self, rng):
        first, responses = plant(rng)
        ops = {"a/relu": first, "b/conv": label_features(rng.normal(size=(30, 2, 4)))}
        return ops, responses

    def test_each_op_is_as_alone(self, rng):
        ops, responses = self.build(rng)
        encoders = fit(build_tree(ops), responses)
        assert isinstance(encoders, xr.DataTree)
        new = {op: array[:7] + 0.5 for op, array in reversed(ops.items())}
        predicted = predict_responses(encoders, build_tree(new))
        assert predicted.dims == ("op", "stimulus", "neuroid")
        assert predicted.op.values.tolist() == ["a/relu", "b/conv"]
        for op, array in ops.items():
            alone = predict_responses(fit(array, responses), new[op])
            np.testing.assert_allclose(predicted.sel(op=op), alone, atol=1e-12)
            one = encoders[op].to_dataset()
            picked = predict_responses(one, build_tree(new))
            np.testing.assert_array_equal(picked, predicted.sel(op=op))
            assert picked.op.item() == op
            node = build_tree(ops)[op].to_dataset()
            np.testing.assert_allclose(
                predict_responses(one, node), predict_responses(one, array), atol=1e-12
            )

    def test_an_op_that_is_not_there_is_named(self, rng):
        ops, responses = self.build(rng)
        encoders = fit(build_tree(ops), responses)
        only = build_tree({"a/relu": ops["a/relu"], "c": ops["b/conv"]})
        with pytest.raises(UnknownNameError, match="no op in the features named 'b/conv'"):
            predict_responses(encoders, only)
        with pytest.raises(UnknownNameError, match="no op in the features named 'b/conv'"):
            predict_responses(encoders["b/conv"].to_dataset(), only)
        scores = fit_encoding(build_tree(ops), responses, dual=True)
        with pytest.raises(UnknownNameError, match="no op in the features named 'b/conv'"):
            compute_encoding_weights(scores, only)


class TestRefusals:
    def test_features_of_another_op(self, net, rng):
        ids = [f"s{k}" for k in range(30)]
        acts = extract(net, rng.normal(size=(30, 3, 8, 8)), ids)
        responses = plant(rng)[1]
        encoder = fit(acts, responses)["0/conv2d"].to_dataset()
        assert encoder.attrs["model"] == "Sequential"
        assert encoder.attrs["reducers"] == "[]"
        other = acts["1/relu"]["activation"]
        with pytest.raises(
            InputError,
            match=r"predicts from op '0/conv2d', got features of op '1/relu'\. Extract them with "
            r"extract_activations\(model, stimuli, ops='0/conv2d'\)",
        ):
            predict_responses(encoder, other)

    def test_other_reducers(self, net, rng):
        values = rng.normal(size=(40, 3, 8, 8))
        ids = [f"s{k}" for k in range(40)]
        responses = plant(rng)[1]
        kinds = nl.extract
        settings = {"ops": "1/relu"}
        shrunk = extract(net, values[:30], ids[:30], reducer=kinds.Project(8, seed=1), **settings)
        encoder = fit(shrunk, responses)
        assert json.loads(encoder.attrs["reducers"])[0]["seed"] == 1
        again = extract(net, values[30:], ids[30:], reducer=kinds.Project(8, seed=1), **settings)
        assert predict_responses(encoder, again).shape == (10, 6)
        other = extract(net, values[30:], ids[30:], reducer=kinds.Project(8, seed=2), **settings)
        with pytest.raises(
            InputError, match=r"seed of project was 1, is now 2\. Extract .* the same reducer="
        ):
            predict_responses(encoder, other)
        plain = extract(net, values[30:], ids[30:], reducer=kinds.Subsample(8), **settings)
        with pytest.raises(
            InputError, match=r"otherwise than .* fitted to: project, is now subsample\."
        ):
            predict_responses(encoder, plain)

    def test_a_pca_of_other_stimuli(self, net, rng):
        values = rng.normal(size=(40, 3, 8, 8))
        ids = [f"s{k}" for k in range(40)]
        responses = plant(rng)[1]
        pca = nl.extract.PCA
        whole = extract(net, values, ids, ops="1/relu", reducer=pca(5, fit_on=ids[:30]))
        fitted = whole.sel(stimulus=ids[:30])
        encoder = fit(fitted, responses)
        assert predict_responses(encoder, whole.sel(stimulus=ids[30:])).shape == (10, 6)
        other = extract(net, values[30:], ids[30:], ops="1/relu", reducer=pca(5, fit_on=ids[30:]))
        with pytest.raises(
            InputError, match=r"fit_on_sha256 of pca .*extract all stimuli in one call with PCA"
        ):
            predict_responses(encoder, other)

    def test_another_model_or_other_weights(self, net, rng, tmp_path):
        values = rng.normal(size=(30, 3, 8, 8))
        ids = [f"s{k}" for k in range(30)]
        stored = extract(net, values, ids, ops="0", store=tmp_path / "a.zarr")
        encoder = fit(stored, plant(rng)[1])
        assert predict_responses(encoder, stored).shape == (30, 6)
        other = torch.nn.Sequential(*net[:2])
        torch.nn.init.ones_(other[0].weight)
        trained = extract(other, values, ids, ops="0", store=tmp_path / "b.zarr")
        with pytest.raises(
            InputError, match=r"of another model or preprocessing .*: weights_sha256 was .* same"
        ):
            predict_responses(encoder, trained)

        class Net(torch.nn.Sequential):
            pass

        with pytest.raises(InputError, match="model was 'Sequential', is now 'Net'"):
            predict_responses(encoder, extract(Net(*net), values, ids, ops="0"))

    def test_versions_of_packages_do_not_count(self, net, rng, tmp_path):
        values = rng.normal(size=(30, 3, 8, 8))
        stored = extract(net, values, [f"s{k}" for k in range(30)], ops="0", store=tmp_path / "a")
        encoder = fit(stored, plant(rng)[1])
        newer = {**encoder.attrs["preprocessing"], "version of torchvision": "99"}
        encoder.attrs["preprocessing"] = newer
        predict_responses(encoder, stored)
        encoder.attrs["preprocessing"] = {**newer, "code of resize": "other"}
        with pytest.raises(InputError, match="preprocessing was"):
            predict_responses(encoder, stored)

    def test_other_axes(self, rng):
        features, responses = plant(rng, shape=(2, 6))
        encoder = fit(features, responses)
        with pytest.raises(InputError, match=r"as many features as .* got \{'axis_0': 2, 'axis_1'"):
            predict_responses(encoder, features[..., :5])
        with pytest.raises(LabelError, match=r"must have the dimensions \('stimulus', 'axis_0'"):
            predict_responses(encoder, features.rename(axis_1="channel"))
        with pytest.raises(LabelError, match="must have the dimensions"):
            predict_responses(encoder, features.rename(stimulus="image"))
        with pytest.raises(LabelError, match="no labels along 'stimulus'"):
            predict_responses(encoder, features.drop_vars("stimulus"))
        turned = features.transpose("axis_1", "stimulus", "axis_0")
        np.testing.assert_array_equal(
            predict_responses(encoder, turned), predict_responses(encoder, features)
        )

    def test_axes_with_labels_are_matched_by_label(self, rng):
        features, responses = plant(rng, shape=(4,))
        features = features.assign_coords(axis_0=list("abcd"))
        encoder = fit(features, responses)
        np.testing.assert_array_equal(
            predict_responses(encoder, features[:, ::-1]), predict_responses(encoder, features)
        )
        with pytest.raises(LabelError, match=r"same 4 ids along 'axis_0'.*'d'.*only in.*'e'"):
            predict_responses(encoder, features.assign_coords(axis_0=list("abce")))
        with pytest.raises(LabelError, match="no labels along 'axis_0'"):
            predict_responses(encoder, features.drop_vars("axis_0"))

    def test_values(self, rng):
        features, responses = plant(rng)
        encoder = fit(features, responses)
        broken = features.copy()
        broken[3, 0] = np.nan
        with pytest.raises(InputError, match="there is NaN or inf in stimuli 's3'"):
            predict_responses(encoder, broken)
        with pytest.raises(InputError, match="must be real numbers, got dtype complex128"):
            predict_responses(encoder, features + 1j)

    def test_types(self, rng):
        features, responses = plant(rng)
        encoder = fit(features, responses)
        with pytest.raises(InputError, match=r"features must be .*Label an array first: xr.DataAr"):
            predict_responses(encoder, features.values)
        with pytest.raises(InputError, match="encoder must be an encoder, .* got DataArray"):
            predict_responses(encoder.weight, features)
        with pytest.raises(InputError, match=r"lacks 'intercept'\. Pass what compute_encoding"):
            predict_responses(encoder.drop_vars("intercept"), features)
        with pytest.raises(InputError, match=r"lacks \"attrs\['op'\]\""):
            predict_responses(encoder.drop_attrs(), features)
        with pytest.raises(InputError, match="the DataTree holds no encoder"):
            predict_responses(xr.DataTree(), features)
        with pytest.raises(InputError, match="the DataTree holds no variable 'activation'"):
            predict_responses(encoder, xr.DataTree())
        with pytest.raises(InputError, match="an encoder takes activations, .* holds 'gram'"):
            predict_responses(encoder, xr.Dataset({"gram": features}))

    def test_samples_are_averaged_as_in_a_fit(self, rng):
        features, responses = plant(rng)
        encoder = fit(features, responses)
        sampled = xr.concat([features - 0.5, features + 0.5], "sample")
        sampled.attrs["n_samples"] = 2
        np.testing.assert_allclose(
            predict_responses(encoder, sampled), predict_responses(encoder, features)
        )

    def test_marks_go_on(self, rng):
        features, responses = plant(rng)
        features.attrs["batch_dependent_ops"] = ["model"]
        encoder = fit(features, responses)
        assert encoder.attrs["batch_dependent_ops"] == ["model"]
        new = features.drop_attrs().assign_attrs(random_ops=["model"])
        predicted = predict_responses(encoder, new)
        assert predicted.attrs["batch_dependent_ops"] == ["model"]
        assert predicted.attrs["random_ops"] == ["model"]
