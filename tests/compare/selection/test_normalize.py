import numpy as np
import pytest
import xarray as xr
from scores import label_scores, make_scores

from neurolens.compare import normalize_scores
from neurolens.errors import InputError, LabelError
from neurolens.scores import build_scores

VALUES = [[0.2, 0.3], [0.4, 0.5], [0.6, -0.1]]
CEILINGS = {"ceiling_upper": ("region", [0.8, 0.5])}


@pytest.mark.parametrize(
    ("method", "measure"), [("rsa", "spearman"), ("encoding", "r"), ("encoding", "r2")]
)
def test_a_dataset_is_divided_by_its_own_ceilings(method, measure):
    scores = make_scores(VALUES, method=method, measure=measure, variables=CEILINGS)
    share = normalize_scores(scores)
    assert share.dims == ("op", "region", "subject")
    assert share.name == "score"
    np.testing.assert_allclose(share[:, :, 0], [[0.25, 0.6], [0.5, 1.0], [0.75, -0.2]])
    assert share.attrs["measure"] == measure


def test_both_ways_give_the_same():
    scores = make_scores(VALUES, variables=CEILINGS)
    for name in ("score", "score_mean"):
        share = normalize_scores(scores[name], scores["ceiling_upper"])
        np.testing.assert_allclose(share, scores[name] / scores["ceiling_upper"])
    xr.testing.assert_allclose(
        normalize_scores(scores), normalize_scores(scores["score"], scores["ceiling_upper"])
    )


def test_regions_without_ceiling_are_left_out():
    for upper in (0.0, -0.1, np.nan):
        scores = make_scores(VALUES, variables={"ceiling_upper": ("region", [0.8, upper])})
        share = normalize_scores(scores)
        assert share.isel(region=1).isnull().all()
        assert share.isel(region=0).notnull().all()


def test_scores_over_time_by_ceilings_over_time():
    score = xr.concat([label_scores(VALUES)] * 2, "time_bin").assign_coords(time_bin=[70, 90])
    upper = xr.DataArray(
        [[0.8, 0.4], [0.5, 1.0]],
        dims=("region", "time_bin"),
        coords={"region": ["V1", "IT"], "time_bin": [70, 90]},
    )
    scores = build_scores(
        score, method="rsa", measure="r", n_stimuli=9, variables={"ceiling_upper": upper}
    )
    share = normalize_scores(scores).sel(region="V1", subject="group", op="a")
    np.testing.assert_allclose(share, [0.25, 0.5])


def test_scores_without_ceilings_are_sent_to_some():
    with pytest.raises(InputError, match=r"normalize_scores needs 'ceiling_upper'.*two or more"):
        normalize_scores(make_scores(VALUES))
    scores = make_scores(VALUES, method="encoding", measure="r")
    with pytest.raises(InputError, match=r"fit_encoding\(\.\.\., ceiling=compute_ncsnr\(resp"):
        normalize_scores(scores)


def test_arrays_come_with_their_ceilings_and_datasets_without():
    scores = make_scores(VALUES, variables=CEILINGS)
    with pytest.raises(InputError, match=r"got an array with NoneType.*scores\['ceiling_upper'\]"):
        normalize_scores(scores["score"])
    with pytest.raises(InputError, match="a Dataset holds its own"):
        normalize_scores(scores, scores["ceiling_upper"])
    with pytest.raises(InputError, match="normalize_scores takes scores, .* got ndarray"):
        normalize_scores(scores["score"].values)


def test_ceilings_of_another_measure_are_refused():
    scores = make_scores(VALUES, variables=CEILINGS)
    other = make_scores(VALUES, measure="rho-a", variables=CEILINGS)
    with pytest.raises(InputError, match="of measure 'spearman', ceilings of 'rho-a'"):
        normalize_scores(scores["score"], other["ceiling_upper"])
    bare = xr.DataArray([0.8, 0.5], dims="region", attrs={"kind": "r", "n_repeats": 1})
    with pytest.raises(InputError, match="of measure 'spearman', ceilings of None"):
        normalize_scores(scores["score"], bare)


def test_ceilings_of_predictions_need_not_name_the_measure():
    score = label_scores(VALUES).assign_attrs(kind="r", n_repeats=3)
    scores = build_scores(score, method="encoding", measure="r", n_stimuli=9)
    bare = xr.DataArray([0.64, 0.25], dims="region", attrs={"kind": "r2", "n_repeats": 3})
    share = normalize_scores(scores["score"], bare)
    np.testing.assert_allclose(share[:, 0, 0], [0.25, 0.5, 0.75])


def test_ceilings_of_neuroids_do_not_spread_over_regions():
    scores = make_scores(VALUES, method="encoding", measure="r", variables=CEILINGS)
    ceiling = scores["ceiling_upper"].rename(region="neuroid")
    with pytest.raises(LabelError, match=r"dimensions \['neuroid'\], which scores with .* lack"):
        normalize_scores(scores["score"], ceiling)


def test_percent_is_refused():
    kind = {"kind": "r2", "n_repeats": 2}
    scores = xr.DataArray([0.5, 0.4], dims="neuroid", attrs=kind)
    percent = xr.DataArray([70.0, 80.0], dims="neuroid", attrs=kind)
    with pytest.raises(InputError, match=r"kind 'r2' is at most 1, got 80\. Divide percent by 100"):
        normalize_scores(scores, percent)
