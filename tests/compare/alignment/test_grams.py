import numpy as np
import xarray as xr
from brains import build_grams, label_features, label_responses
from form import check_form

from neurolens.compare import compare_grams, compare_models, compute_grams


def test_form_of_every_answer(rng):
    responses = label_responses(
        rng.normal(size=(8, 5)), region=["V1", "V1", "V1", "IT", "IT"], subject=[*"ABBAA"]
    )
    grams = build_grams({f"{name}/relu": label_features(rng.normal(size=(8, 4))) for name in "ab"})
    scores = compare_grams(grams, compute_grams(responses), comparator="cka")
    check_form(scores)
    expected = {
        "method": "alignment",
        "measure": "cka",
        "n_stimuli": 8,
        "interval_kind": "none",
        "ceiling_note": "No noise ceiling was computed.",
        "ceiling_bound": "none",
    }
    assert expected.items() <= scores.attrs.items()
    assert (scores.region.values.tolist(), scores.subject.values.tolist()) == (
        ["V1", "IT"],
        ["A", "B"],
    )
    pairs = compare_models(grams, grams, comparator="cka")
    assert isinstance(pairs, xr.DataArray)
    assert pairs.attrs == {"measure": "cka"}
    alone = compare_grams(grams, compute_grams(responses.drop_vars(["region", "subject"])))
    check_form(alone)
    expected = {"method": "alignment", "measure": "cka-unbiased"}
    assert expected.items() <= alone.attrs.items()
    assert np.isfinite(alone.score).all()
