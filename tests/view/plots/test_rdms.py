"""Matrices show the values that were given, ranked, in the order of the model's stimuli."""

import numpy as np
import pytest
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.view import plot_rdms
from neurolens.view.plots.rdms import rank_values


def make_rdms(rng, ids, first, dim="op"):
    values = rng.random((len(first), len(ids), len(ids)))
    values = values + values.transpose(0, 2, 1)
    coords = {dim: list(first), "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(values, dims=(dim, "stimulus", "stimulus_2"), coords=coords)


def test_ranks_are_mean_ranks_from_zero_to_one(rng):
    stats = pytest.importorskip("scipy.stats")
    values = np.round(rng.random((9, 9)), 1)
    values = values + values.T
    upper = np.triu_indices(9, 1)
    ranked = rank_values(values)
    np.testing.assert_allclose(ranked[upper], (stats.rankdata(values[upper]) - 1) / 35)
    np.testing.assert_array_equal(ranked, ranked.T)


def test_rdms_stand_model_above_brain_in_the_model_order(rng):
    ids = [f"s{i}" for i in range(8)]
    rdms = make_rdms(rng, ids, ["a/conv2d", "b/relu"])
    brain = make_rdms(rng, ids, ["V1", "IT"], "region")
    shuffled = brain.isel(stimulus=slice(None, None, -1))
    figure = plot_rdms(rdms, ops={"V1": "b/relu", "IT": "a/conv2d"}, brain=shuffled)
    images = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len(images) == 4
    np.testing.assert_allclose(images[0], rank_values(rdms.sel(op="b/relu").values))
    np.testing.assert_allclose(images[2], rank_values(brain.sel(region="V1").values))


def test_subjects_are_averaged_and_categories_sorted(rng):
    ids = [f"s{i}" for i in range(8)]
    rdms = make_rdms(rng, ids, ["a/conv2d"])
    subjects = make_rdms(rng, ids, ["x", "y"], "subject").expand_dims(region=["IT"])
    figure = plot_rdms(rdms, brain=subjects, categories=["face", "place"] * 4)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    mean = subjects.mean("subject").values[0]
    np.testing.assert_allclose(
        figure.axes[1].images[0].get_array(), rank_values(mean[np.ix_(order, order)])
    )
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["face", "place"]


def test_arrays_without_labels_and_swapped_objects_are_refused(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    with pytest.raises(InputError, match="rdms must be a DataArray .* got ndarray"):
        plot_rdms(rdms.values)
    with pytest.raises(InputError, match="brain must be a DataArray .* got str"):
        plot_rdms(rdms, brain="kriegeskorte2008")
    with pytest.raises(LabelError, match="rdms must have dimensions .* got"):
        plot_rdms(rdms.isel(op=0))


def test_a_grid_of_matrices_has_a_picture_of_its_own(rng):
    figure = plot_rdms(make_rdms(rng, list("abcd"), ["a/conv2d"]))
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_rdm_errors_name_the_difference(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    with pytest.raises(LabelError, match="rdms has no ops 'nope'"):
        plot_rdms(rdms, ops=["nope"])
    with pytest.raises(LabelError, match="Missing from brain: 'd'"):
        plot_rdms(rdms, brain=make_rdms(rng, list("abce"), ["V1"], "region"))
    with pytest.raises(LabelError, match="one per stimulus, 4, got 2"):
        plot_rdms(rdms, categories=["x", "y"])
