"""Matrices show the values that were given, ranked, in the order of the model's stimuli."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from plotted import find_cut, find_overlaps
from scores import make_scores

from neurolens.errors import InputError, LabelError
from neurolens.view import plot_rdms
from neurolens.view.plots.parts.matrices import rank_values


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
    assert np.isnan(np.diag(ranked)).all()


def test_rdms_stand_model_above_brain_in_the_model_order(rng):
    ids = [f"s{i}" for i in range(8)]
    rdms = make_rdms(rng, ids, ["a/conv2d", "b/relu"])
    brain = make_rdms(rng, ids, ["V1", "IT"], "region")
    shuffled = brain.isel(stimulus=slice(None, None, -1))
    axes = plot_rdms(rdms, ops={"V1": "b/relu", "IT": "a/conv2d"}, brain=shuffled)
    images = [np.ma.filled(axis.images[0].get_array(), np.nan) for axis in axes]
    assert len(images) == 4
    np.testing.assert_allclose(images[0], rank_values(rdms.sel(op="b/relu").values))
    np.testing.assert_allclose(images[2], rank_values(brain.sel(region="V1").values))


def test_subjects_are_averaged_and_categories_sorted(rng):
    ids = [f"s{i}" for i in range(8)]
    rdms = make_rdms(rng, ids, ["a/conv2d"])
    subjects = make_rdms(rng, ids, ["x", "y"], "subject").expand_dims(region=["IT"])
    axes = plot_rdms(rdms, brain=subjects, categories=["face", "place"] * 4)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    mean = subjects.mean("subject").values[0]
    np.testing.assert_allclose(
        np.ma.filled(axes[1].images[0].get_array(), np.nan),
        rank_values(mean[np.ix_(order, order)]),
    )
    assert {"face", "place"} <= {text.get_text() for text in axes[0].texts}


def test_arrays_without_labels_and_swapped_objects_are_refused(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    with pytest.raises(InputError, match="rdms must be a DataArray .* got ndarray"):
        plot_rdms(rdms.values)
    with pytest.raises(InputError, match="brain must be a DataArray .* got str"):
        plot_rdms(rdms, brain="kriegeskorte2008")
    with pytest.raises(LabelError, match="rdms must have dimensions .* got"):
        plot_rdms(rdms.isel(op=0))


def test_a_grid_of_matrices_has_a_picture_of_its_own(rng):
    axes = plot_rdms(make_rdms(rng, list("abcd"), ["a/conv2d"]))
    assert axes._repr_png_().startswith(b"\x89PNG")


def test_rdm_errors_name_the_difference(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    with pytest.raises(LabelError, match="rdms has no ops 'nope'"):
        plot_rdms(rdms, ops=["nope"])
    with pytest.raises(LabelError, match="Missing from brain: 'd'"):
        plot_rdms(rdms, brain=make_rdms(rng, list("abce"), ["V1"], "region"))
    with pytest.raises(LabelError, match="one per stimulus, 4, got 2"):
        plot_rdms(rdms, categories=["x", "y"])
    with pytest.raises(InputError, match=r"got the text 'face'. Pass .*metadata\['face'\]"):
        plot_rdms(rdms, categories="face")


def test_a_region_that_the_brain_lacks_is_no_matrix_less(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    brain = make_rdms(rng, list("abcd"), ["V1", "IT"], "region")
    with pytest.raises(LabelError, match="regions that brain lacks: 'V4'. It has 'V1', 'IT'"):
        plot_rdms(rdms, ops={"V1": "a/conv2d", "V4": "a/conv2d"}, brain=brain)
    assert len(plot_rdms(rdms, ops={"V4": "a/conv2d"})) == 1


def test_the_brain_is_drawn_alone_and_as_it_is(rng):
    brain = make_rdms(rng, list("abcd"), ["V1", "IT"], "region")
    axes = plot_rdms(brain=brain, values="raw")
    off = ~np.eye(4, dtype=bool)
    for axis, region in zip(axes, ["V1", "IT"], strict=True):
        image = axis.images[0]
        np.testing.assert_array_equal(image.get_array()[off], brain.sel(region=region).values[off])
        assert axis.get_title("left") == region
        ends = (brain.values[:, off].min(), brain.values[:, off].max())
        np.testing.assert_allclose(image.get_clim(), ends)
    with pytest.raises(InputError, match="RDMs of a model, of a brain, or both, got none"):
        plot_rdms()
    with pytest.raises(InputError, match="takes one time bin, and brain has 2"):
        plot_rdms(brain=brain.expand_dims(time_bin=[1, 2]))
    with pytest.raises(InputError, match="values must be"):
        plot_rdms(brain=brain, values="z")


def test_the_diagonal_has_the_color_of_the_page_and_a_missing_pair_has_not(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d"])
    rdms[0, 0, 1] = rdms[0, 1, 0] = np.nan
    [axis] = plot_rdms(rdms)
    matrix, cover = (np.asarray(image.get_array()) for image in axis.images)
    assert np.isnan(np.ma.filled(axis.images[0].get_array(), np.nan)[0, 1])
    np.testing.assert_array_equal(cover[..., 3], np.eye(4))
    assert np.isfinite(matrix[0, 2])


def test_scores_are_written_above_the_ops_of_their_regions(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d", "b/relu"])
    labels = {"ops": ["a/conv2d", "b/relu"], "regions": ["V1", "IT"]}
    scores = make_scores([[0.1, 0.2], [0.3, 0.456]], labels=labels)
    axes = plot_rdms(rdms, ops={"V1": "a/conv2d", "IT": "b/relu"}, scores=scores)
    said = [[text.get_text() for text in axis.texts] for axis in axes]
    assert "Spearman ρ .10" in said[0]
    assert "Spearman ρ .46" in said[1]
    with pytest.raises(InputError, match="ops with a region, which ops must name"):
        plot_rdms(rdms, scores=scores)
    with pytest.raises(LabelError, match="scores have no 'a/conv2d' in 'V4'"):
        plot_rdms(rdms, ops={"V4": "a/conv2d"}, scores=scores)


def test_pictures_stand_beside_their_stimuli(rng):
    ids = list("abcd")
    rdms = make_rdms(rng, ids, ["a/conv2d"])
    levels = {name: np.full((4, 4, 3), 60 * i, dtype=np.uint8) for i, name in enumerate(ids)}
    [axis] = plot_rdms(rdms, images=levels, categories=["x", "y", "x", "y"], width=3.5)
    [column] = [one for one in axis.child_axes if one.get_gid() == "pictures"]
    shown = np.asarray(column.images[0].get_array())
    middles = shown[np.linspace(0, len(shown), 9).astype(int)[1::2], 32, 0]
    assert middles.tolist() == [0, 120, 60, 180]  # grouped by category
    with pytest.raises(LabelError, match="images lack the stimuli 'd'"):
        plot_rdms(rdms, images={name: levels[name] for name in "abc"})
    with pytest.raises(InputError, match="images must be a StimulusSet, .* got list"):
        plot_rdms(rdms, images=list(levels.values()))
    with pytest.raises(InputError, match="'a' is no picture"):
        plot_rdms(rdms, images=dict.fromkeys(ids, "word"))


def test_many_categories_have_strips_and_a_legend_where_names_have_no_room(rng):
    ids = [f"s{i}" for i in range(24)]
    rdms = make_rdms(rng, ids, ["a/conv2d"])
    for n, has_legend in ((12, True), (24, False)):
        categories = [f"a long name of category {i % n}" for i in range(24)]
        [axis] = plot_rdms(rdms, categories=categories, width=3.5)
        strips = [one for one in axis.get_children() if one.get_gid() == "strip"]
        assert len(strips) == 2 * n
        assert bool(axis.figure.legends) == has_legend


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.5, 7.2])
@pytest.mark.parametrize("n", [1, 4, 9])
def test_no_text_overlaps_or_is_cut_with_long_names(rng, n, width):
    ids = [f"s{i}" for i in range(12)]
    ops = [f"encoder.layers.encoder_layer_{i}.self_attention.out_proj/linear" for i in range(n)]
    regions = [f"lateral occipital area {i}" for i in range(n)]
    axes = plot_rdms(
        make_rdms(rng, ids, ops),
        ops=dict(zip(regions, ops, strict=True)),
        brain=make_rdms(rng, ids, regions, "region"),
        categories=[f"category of stimuli {i // 4}" for i in range(12)],
        width=width,
    )
    assert find_overlaps(axes[0].figure) == []
    assert find_cut(axes[0].figure) == []


def test_rdms_are_drawn_into_given_axes(rng):
    rdms = make_rdms(rng, list("abcd"), ["a/conv2d", "b/relu"])
    axes = list(Figure().subplots(1, 2))
    assert plot_rdms(rdms, axes=axes, theme="dark") == axes
    with pytest.raises(InputError, match="axes must be one per matrix, 2"):
        plot_rdms(rdms, axes=axes[:1])


def test_pairs_that_cannot_be_drawn_are_refused(rng):
    ids = [f"s{i}" for i in range(5)]
    rdms = make_rdms(rng, ids, ["a", "b"])
    brain = make_rdms(rng, ids, ["V1", "IT"], "region")
    with pytest.raises(LabelError, match="ops names regions that brain lacks: 'V4'. It has 'V1'"):
        plot_rdms(rdms, brain=brain, ops={"V1": "a", "V4": "b"})
    alone = brain.isel(region=0, drop=True)
    with pytest.raises(LabelError, match="brain lacks: 'V1'. It has 'brain'"):
        plot_rdms(rdms, brain=alone, ops={"V1": "a"})
    for ops in (3, [], {}):
        with pytest.raises(InputError, match="ops must be the names of one op or more"):
            plot_rdms(rdms, ops=ops)
    assert len(plot_rdms(rdms, ops="b")) == 1
