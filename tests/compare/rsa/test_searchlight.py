import numpy as np
import pytest
import xarray as xr
from form import check_form
from rsatoolbox.util.searchlight import get_searchlight_RDMs, get_volume_searchlight
from scipy.stats import spearmanr
from squares import draw_square, label_squares

from neurolens.compare import (
    compare_rdms,
    compare_searchlight,
    compute_rdms,
    compute_searchlight_rdms,
)
from neurolens.errors import InputError, LabelError

IDS = ["dog", "cat", "ape", "cup"]


def build_volume(rng, shape=(4, 4, 3)) -> xr.DataArray:
    places = np.argwhere(np.ones(shape))
    return xr.DataArray(
        rng.normal(size=(len(IDS), len(places))),
        dims=("stimulus", "neuroid"),
        coords={"stimulus": IDS, "neuroid_id": ("neuroid", [f"n{k}" for k in range(len(places))])}
        | {f"voxel_{axis}": ("neuroid", places[:, k]) for k, axis in enumerate("xyz")},
    )


def test_rsatoolbox(rng):
    responses = build_volume(rng)
    # rsatoolbox counts neighbours nearer than the radius, NeuroLens also those at the radius.
    centers, neighbours = get_volume_searchlight(np.ones((4, 4, 3)), radius=1.99, threshold=0.0)
    expected = get_searchlight_RDMs(
        responses.values, centers, neighbours, np.arange(4), verbose=False
    )
    found = compute_searchlight_rdms(responses, radius=1.99)
    first, second = np.triu_indices(4, 1)
    np.testing.assert_allclose(found.values[:, first, second], expected.dissimilarities, atol=1e-12)
    assert found.n_voxels.values.tolist() == [len(n) for n in neighbours]
    assert found.neuroid.values.tolist() == responses.neuroid_id.values.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "crossnobis"])
def test_each_center_is_the_rdm_of_its_neighbours(rng, metric):
    volume = build_volume(rng)
    runs = [volume + rng.normal(size=volume.shape) for _ in range(3)]
    responses = xr.concat(runs, "stimulus").rename(stimulus="presentation")
    responses = responses.drop_vars("presentation").assign_coords(
        stimulus_id=("presentation", IDS * 3), run=("presentation", np.repeat([0, 1, 2], 4))
    )
    responses = responses.isel(neuroid=rng.permutation(48))
    found = compute_searchlight_rdms(responses, radius=1, metric=metric, centers=["n5", "n40"])
    noise = {"noise": "ledoit-wolf-per-run"} if metric == "crossnobis" else {}
    assert found.attrs == {"metric": metric, "radius": 1} | noise
    model = label_squares([draw_square(rng, 4)], ids=IDS, op=["a"])
    scores = compare_searchlight(model, responses, radius=1, metric=metric, centers=["n5", "n40"])
    settings = {"measure": "rho-a", "brain_dissimilarity": metric, "radius": 1} | noise
    assert settings.items() <= scores.attrs.items()
    expected = compare_rdms(model, found.rename(neuroid="region"), n_bootstrap=0, n_splits=0)
    np.testing.assert_allclose(scores.score, expected.score, atol=1e-12)
    for center in ("n5", "n40"):
        here = responses.isel(neuroid=list(responses.neuroid_id.values).index(center))
        far = sum((responses[a] - here[a]) ** 2 for a in ("voxel_x", "voxel_y", "voxel_z")).values
        expected = compute_rdms(responses.isel(neuroid=far <= 1), metric=metric)
        np.testing.assert_allclose(found.sel(neuroid=center), expected, atol=1e-10)


def test_scores_are_those_of_the_rdms_whatever_the_batch(rng, monkeypatch):
    responses = build_volume(rng)
    model = label_squares([draw_square(rng, 4) for _ in "ab"], ids=IDS[::-1], op=["a", "b"])
    scores = compare_searchlight(model, responses, radius=1)
    rdms = compute_searchlight_rdms(responses, radius=1)
    expected = compare_rdms(model, rdms.rename(neuroid="region"), n_bootstrap=0, n_splits=0)
    np.testing.assert_allclose(scores.score, expected.score, atol=1e-12)
    monkeypatch.setattr("neurolens.compare.rsa.searchlight.BATCH_BYTES", 3 * 8 * 16)
    xr.testing.assert_identical(compare_searchlight(model, responses, radius=1), scores)


def test_form(rng):
    responses = build_volume(rng)
    model = label_squares([draw_square(rng, 4) for _ in "ab"], ids=IDS, op=["a", "b"])
    scores = compare_searchlight(model, responses, radius=1, centers=["n5", "n40"])
    check_form(scores)
    assert scores.region.values.tolist() == ["n5", "n40"]
    assert scores.subject.values.tolist() == ["group"]
    for name in ("voxel_x", "voxel_y", "voxel_z", "n_voxels"):
        assert scores[name].dims == ("region",)
    at = responses.isel(neuroid=40)
    assert scores.voxel_z.sel(region="n40").item() == at.voxel_z.item()
    named = responses.assign_coords(subject=("neuroid", ["A"] * 48))
    assert compare_searchlight(model, named, radius=1).subject.values.tolist() == ["A"]


def test_lonely_center_has_no_correlation(rng):
    # A correlation of two voxels is 1 or -1; three of the stimuli differ in its sign.
    responses = build_volume(rng).isel(neuroid=[0, 1, 24, 47])
    responses.values[:, :2] = np.array([[0, 1], [1, 0]])[[k % 2 for k in range(len(responses))]]
    with pytest.warns(
        RuntimeWarning, match="^the RDMs around 2 of 4 centers are NaN .*: 'n24', 'n47'. Pass a"
    ) as told:
        found = compute_searchlight_rdms(responses, radius=1)
    assert len(told) == 1
    assert np.isnan(found.sel(neuroid="n47").values[0, 1])
    model = label_squares([draw_square(rng, 4)], ids=IDS, op=["a"])
    with pytest.warns(
        RuntimeWarning, match="^the RDMs around 2 of 4 centers are undefined .* 'n24', 'n47'"
    ) as told:
        scores = compare_searchlight(model, responses, radius=1)
    assert len(told) == 1
    assert np.isnan(scores.score.values[0, :, 0]).tolist() == [False, False, True, True]
    with pytest.warns(RuntimeWarning, match="around 1 of 1 centers"):
        compare_searchlight(model, responses, radius=1, centers=["n47"])


def test_dead_voxels_have_no_score(rng):
    """Their distances are 0, whichever the metric; the other centers keep their scores."""
    responses = build_volume(rng)
    dead = responses.copy(deep=True)
    near = (responses.voxel_x <= 1).values
    dead.values[:, near] = rng.normal(size=near.sum())
    model = label_squares([draw_square(rng, 4)], ids=IDS, op=["a"])
    for metric in ("correlation", "cosine", "euclidean"):
        with pytest.warns(RuntimeWarning, match="do not vary over pairs"):
            scores = compare_searchlight(model, dead, radius=1, metric=metric).score
        lost = scores.isel(region=(responses.voxel_x == 0).values)
        assert lost.isnull().all()
        whole = compare_searchlight(model, responses, radius=1, metric=metric).score
        kept = (responses.voxel_x == 3).values
        np.testing.assert_allclose(scores[:, kept], whole[:, kept], atol=1e-12)


@pytest.mark.parametrize("noise", [None, "identity"])
def test_dead_voxels_have_no_crossnobis_distances(rng, noise):
    values = rng.normal(size=(12, 6))
    values[:, :3] = 0.1
    places = np.arange(6.0)
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", IDS * 3),
            "run": ("presentation", np.repeat([0, 1, 2], 4)),
            "neuroid_id": ("neuroid", [f"n{k}" for k in range(6)]),
        }
        | {f"voxel_{axis}": ("neuroid", places) for axis in "xyz"},
    )
    settings = {"radius": 1.8, "metric": "crossnobis", "noise": noise}
    with pytest.warns(RuntimeWarning, match="around 2 of 6 centers do not vary .* 'n0', 'n1'"):
        rdms = compute_searchlight_rdms(responses, **settings)
    assert not rdms[:2].any()
    assert np.isfinite(rdms).all()
    given = compute_searchlight_rdms(
        responses[:, 3:], radius=1.8, metric="crossnobis", noise=np.eye(3)
    )
    plain = compute_searchlight_rdms(
        responses[:, 3:], radius=1.8, metric="crossnobis", noise="identity"
    )
    np.testing.assert_allclose(given, plain, atol=1e-12)


def test_pairs_that_are_missing_are_left_out(rng):
    responses = build_volume(rng)
    model = label_squares([draw_square(rng, 4) for _ in "ab"], ids=IDS, op=["a", "b"])
    gapped = model.copy(deep=True)
    gapped[0, 1, 2] = gapped[0, 2, 1] = np.nan
    with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of 'op a'"):
        scores = compare_searchlight(gapped, responses, radius=1.5)
    rdms = compute_searchlight_rdms(responses, radius=1.5)
    first, second = np.triu_indices(4, 1)
    kept = ~np.isnan(gapped.values[0, first, second])
    x = gapped.values[0, first, second][kept]
    order = [responses.stimulus.values.tolist().index(i) for i in gapped.stimulus.values]
    for center in (0, 17):
        y = rdms.values[center][np.ix_(order, order)][first, second][kept]
        expected = spearmanr(x, y).statistic
        assert scores.score.values[0, center, 0] == pytest.approx(expected, abs=1e-12)
    assert scores.n_pairs.values[:, 0, 0].tolist() == [5, 6]


def test_op_that_is_nan_has_no_score(rng):
    responses = build_volume(rng)
    model = label_squares([draw_square(rng, 4) for _ in "ab"], ids=IDS, op=["a", "b"])
    broken = model.copy(deep=True)
    broken[0] = np.nan
    with pytest.warns(RuntimeWarning, match="no score for 'a': the RDM does not vary"):
        scores = compare_searchlight(broken, responses, radius=1)
    assert np.isnan(scores.score.sel(op="a").values).all()
    whole = compare_searchlight(model, responses, radius=1)
    np.testing.assert_allclose(scores.score.sel(op="b"), whole.score.sel(op="b"), atol=1e-12)


def test_errors(rng):
    responses = build_volume(rng)
    with pytest.raises(LabelError, match="needs voxel_z on 'neuroid'"):
        compute_searchlight_rdms(responses.drop_vars("voxel_z"), radius=1)
    with pytest.raises(InputError, match="radius must be above 0"):
        compute_searchlight_rdms(responses, radius=0)
    two = responses.assign_coords(subject=("neuroid", ["A", "B"] * 24))
    with pytest.raises(LabelError, match="is of one subject, got 2"):
        compute_searchlight_rdms(two, radius=1)
    with pytest.raises(LabelError, match=r"1 are not, such as 'x'"):
        compute_searchlight_rdms(responses, radius=1, centers=["n1", "x"])
    with pytest.raises(InputError, match="coordinates must be finite"):
        compute_searchlight_rdms(
            responses.assign_coords(voxel_x=responses.voxel_x * np.nan), radius=1
        )
    with pytest.raises(LabelError, match=r"responses and model_rdms must hold the same 4 ids"):
        compare_searchlight(label_squares(draw_square(rng, 4)), responses, radius=1)


class TestTime:
    def build_timed(self, rng):
        bins = [build_volume(rng) for _ in range(3)]
        return xr.concat(bins, "time_bin").assign_coords(time_bin=[70, 170, 270])

    def test_each_time_has_its_own_map(self, rng):
        timed = self.build_timed(rng)
        model = label_squares([draw_square(rng, 4) for _ in "ab"], ids=IDS, op=["a", "b"])
        found = compare_searchlight(model, timed, radius=1)
        check_form(found, timed=True)
        assert found.time_bin.values.tolist() == [70, 170, 270]
        rdms = compute_searchlight_rdms(timed, radius=1)
        assert rdms.dims == ("neuroid", "stimulus", "stimulus_2", "time_bin")
        for time in (70, 270):
            alone = timed.sel(time_bin=time, drop=True)
            one = compare_searchlight(model, alone, radius=1)
            np.testing.assert_array_equal(found.score.sel(time_bin=time), one.score)
            xr.testing.assert_equal(
                rdms.sel(time_bin=time, drop=True), compute_searchlight_rdms(alone, radius=1)
            )
        np.testing.assert_array_equal(found.n_voxels, one.n_voxels)

    def test_levels_of_time_stay(self, rng):
        timed = self.build_timed(rng).drop_vars("time_bin")
        timed = timed.assign_coords(time_bin_start=("time_bin", [0, 50, 100]))
        found = compute_searchlight_rdms(timed, radius=1)
        assert found.time_bin_start.values.tolist() == [0, 50, 100]
        assert found.time_bin.values.tolist() == [0, 1, 2]

    def test_times_that_repeat(self, rng):
        timed = self.build_timed(rng).assign_coords(time_bin=[70, 70, 90])
        with pytest.raises(LabelError, match="'time_bin' labels of responses must be unique"):
            compute_searchlight_rdms(timed, radius=1)
