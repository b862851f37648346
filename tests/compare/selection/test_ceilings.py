import numpy as np
import pytest
import xarray as xr
from scores import make_scores
from squares import draw_square, label_squares

from neurolens.compare import (
    add_ceilings,
    bootstrap_rdms,
    compare_ops,
    compare_rdms,
    compute_rdm_ceilings,
    normalize_scores,
)
from neurolens.errors import InputError, LabelError

VALUES = [[0.2, 0.3], [0.4, 0.5], [0.6, 0.1]]
NOTE = "Split halves of the runs."


def make_ceilings(regions=("V1", "IT"), measure="spearman", lower=(0.4, 0.5), upper=(0.6, 0.7)):
    """Return ceilings as the functions that compute them do."""
    kind = {"kind": "r", "n_repeats": "as in the scores", "measure": measure}
    return xr.Dataset(
        {
            "ceiling_lower": ("region", list(lower), kind),
            "ceiling_upper": ("region", list(upper), kind),
        },
        coords={"region": list(regions)},
        attrs={"measure": measure, "ceiling_note": NOTE, "ceiling_bound": "expected"},
    )


def test_ceilings_are_matched_by_region_and_described():
    scores = make_scores(VALUES)
    assert np.isnan(scores.ceiling_upper).all()
    turned = make_ceilings(("IT", "V1"), lower=(0.5, 0.4), upper=(0.7, 0.6))
    found = add_ceilings(scores, turned)
    assert found.ceiling_lower.values.tolist() == [0.4, 0.5]
    assert found.ceiling_upper.sel(region="V1").item() == 0.6
    assert found.attrs["ceiling_note"] == NOTE
    assert found.attrs["ceiling_bound"] == "expected"
    assert f"{NOTE} The upper ceiling is an estimate" in found.attrs["methods_text"]
    assert "nili2014" not in found.attrs["reference"]
    assert np.isnan(scores.ceiling_upper).all()
    share = normalize_scores(found).squeeze("subject", drop=True)
    np.testing.assert_allclose(share, np.array(VALUES) / [0.6, 0.7])


def test_what_belonged_to_other_ceilings_is_left_out(rng):
    squares = [draw_square(rng, 7) for _ in "ABC"]
    brain = label_squares(squares, subject=list("ABC"))
    scores = bootstrap_rdms(label_squares(squares[0]), brain, n_bootstrap=10)
    found = add_ceilings(scores, make_ceilings(["brain"], "rho-a", [0.1], [0.2]))
    gone = set(scores.data_vars) - set(found.data_vars)
    assert "ceiling_draws" in gone
    assert "ceiling_lower_ci_low" in gone
    assert "draws" not in gone
    assert "nili2014" in scores.attrs["reference"]
    assert found.attrs["reference"] == "kriegeskorte2008,schuett2023"
    with pytest.raises(InputError, match=f"draws of the noise ceiling.*{NOTE}"):
        compare_ops(found, against="ceiling")
    # The same ones again.
    again = add_ceilings(found, compute_rdm_ceilings(brain))
    assert again.ceiling_lower.item() == scores.ceiling_lower.item()
    assert again.attrs["methods_text"] == scores.attrs["methods_text"]


def test_time_bins_are_matched(rng):
    squares = [[draw_square(rng, 7) for _ in "AB"] for _ in range(2)]
    brain = label_squares(squares, time_bin=[0.1, 0.2], subject=["A", "B"])
    scores = compare_rdms(label_squares(squares[0][0]), brain, n_bootstrap=0, n_splits=0)
    ceilings = compute_rdm_ceilings(brain.isel(time_bin=[1, 0]))
    found = add_ceilings(scores, ceilings)
    np.testing.assert_allclose(found.ceiling_upper, scores.ceiling_upper)
    assert found.ceiling_upper.dims == ("region", "time_bin")
    with pytest.raises(LabelError, match=r"same time bins, got \['region'\]"):
        add_ceilings(scores, ceilings.isel(time_bin=0, drop=True))


def test_errors():
    scores = make_scores(VALUES)
    with pytest.raises(InputError, match="of measure 'spearman', ceilings of 'rho-a'.*spearman"):
        add_ceilings(scores, make_ceilings(measure="rho-a"))
    with pytest.raises(LabelError, match="ceilings and scores must hold the same"):
        add_ceilings(scores, make_ceilings(("V1", "V4")))
    with pytest.raises(InputError, match="takes the Dataset that compute_split_ceilings or"):
        add_ceilings(scores, make_ceilings().ceiling_upper)
    with pytest.raises(InputError, match="takes the Dataset that compute_split_ceilings or"):
        add_ceilings(scores, scores.drop_attrs())
    with pytest.raises(InputError, match="add_ceilings takes scores"):
        add_ceilings(make_ceilings(), scores)
