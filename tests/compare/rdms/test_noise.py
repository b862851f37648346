"""A noise covariance of the user's own, against its inverse."""

import numpy as np
import pytest
import xarray as xr
from brains import build_grams, label_features, label_responses

from neurolens.compare import compute_rdms
from neurolens.errors import InputError, LabelError

IDS = ["a", "b", "c", "d"]


@pytest.fixture
def responses(rng):
    """Three runs of four stimuli, two regions of three neuroids."""
    values = rng.normal(size=(12, 6))
    labelled = label_responses(values, ids=IDS * 3, region=["V1", "IT"] * 3)
    return labelled.assign_coords(run=("presentation", np.repeat([0, 1, 2], 4)))


@pytest.fixture
def covariance(rng):
    return np.cov(rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6)), rowvar=False)


def measure(values, precision, metric):
    """Return one distance after another, with the inverse of the noise covariance."""
    runs = values.reshape(3, 4, -1)
    square = np.zeros((4, 4))
    for i, j in np.ndindex(4, 4):
        differences = runs[:, i] - runs[:, j]
        if metric == "mahalanobis":
            mean = differences.mean(axis=0)
            square[i, j] = mean @ precision @ mean
        else:
            others = [np.delete(differences, run, axis=0).mean(axis=0) for run in range(3)]
            square[i, j] = np.mean(
                [x @ precision @ y for x, y in zip(differences, others, strict=True)]
            )
    return square / values.shape[1]


@pytest.mark.parametrize("metric", ["mahalanobis", "crossnobis"])
class TestGiven:
    def test_array_in_the_order_of_neuroids(self, responses, covariance, metric):
        found = compute_rdms(responses, metric=metric, noise=covariance)
        assert found.attrs["noise"] == "given"
        for k, region in enumerate(["V1", "IT"]):
            part = covariance[k::2, k::2]
            expected = measure(responses.values[:, k::2], np.linalg.inv(part), metric)
            np.testing.assert_allclose(found.sel(region=region), expected, atol=1e-10)

    def test_labels_in_any_order(self, rng, responses, covariance, metric):
        order, other = rng.permutation(6), rng.permutation(6)
        names = responses.neuroid_id.values
        moved = xr.DataArray(
            covariance[np.ix_(order, other)],
            dims=("neuroid", "neuroid_2"),
            coords={"neuroid": names[order], "neuroid_2": names[other]},
        )
        expected = compute_rdms(responses, metric=metric, noise=covariance)
        xr.testing.assert_allclose(compute_rdms(responses, metric=metric, noise=moved), expected)
        named = moved.rename(neuroid="row", neuroid_2="column").reset_coords(drop=True)
        named = named.drop_vars(["row", "column"]).assign_coords(
            neuroid_id=("row", names[order]), neuroid_id_2=("column", names[other])
        )
        xr.testing.assert_allclose(compute_rdms(responses, metric=metric, noise=named), expected)

    def test_unit_noise_is_none(self, responses, metric):
        given = compute_rdms(responses, metric=metric, noise=np.eye(6))
        plain = compute_rdms(responses, metric=metric, noise="identity")
        np.testing.assert_allclose(given, plain, atol=1e-12)


def test_mahalanobis_without_repeats(responses, covariance):
    once = responses[:4]
    found = compute_rdms(once, metric="mahalanobis", noise=covariance).sel(region="V1")
    x = once.values[:, ::2]
    precision = np.linalg.inv(covariance[::2, ::2])
    expected = [[(a - b) @ precision @ (a - b) / 3 for b in x] for a in x]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_errors(rng, responses, covariance):
    def refuse(noise, error, match, **settings):
        with pytest.raises(error, match=match):
            compute_rdms(responses, **{"metric": "crossnobis", "noise": noise} | settings)

    refuse(covariance[:5, :5], InputError, r"here \(6, 6\), got \(5, 5\)")
    refuse(covariance + np.triu(covariance), InputError, "noise must be symmetric")
    refuse(covariance * np.nan, InputError, "noise must be finite")
    refuse(np.ones((6, 6)), InputError, "positive definite, and it is not")
    refuse(-covariance, InputError, "positive definite, and it is not")
    refuse(covariance.astype(str), InputError, "real numbers")
    refuse(covariance, InputError, "is for metric='mahalanobis'", metric="cosine")
    bare = xr.DataArray(covariance, dims=("neuroid", "neuroid_2"))
    refuse(bare, LabelError, "needs the ids of neuroids along 'neuroid'")
    refuse(bare[0], LabelError, "must have two dimensions")
    other = bare.assign_coords(neuroid=list("uvwxyz"), neuroid_2=list("uvwxyz"))
    refuse(other, LabelError, "noise and the responses must hold the same 6 ids")
    grams = build_grams({"op": label_features(rng.normal(size=(5, 4)))})
    with pytest.raises(InputError, match="over neuroids, and Grams and activations have none"):
        compute_rdms(grams, metric="mahalanobis", noise=covariance)


@pytest.mark.parametrize("noise", [None, "ledoit-wolf", "identity", np.eye(6)])
def test_presentations_that_never_differ_have_no_distances(responses, noise):
    dead = responses.copy(data=np.repeat(0.1 + np.arange(6)[None] / 3, 12, axis=0))
    with pytest.warns(RuntimeWarning, match="all distances are equal, .* region 'V1'; region 'IT'"):
        found = compute_rdms(dead, metric="crossnobis", noise=noise)
    assert not found.values.any()
