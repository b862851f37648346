"""Scores in a notebook: what is too high says so, and held-out scores are told apart."""

import re

import numpy as np
import pytest
import xarray as xr
from graphs import build_large, build_residual, fake_best, fake_scores
from scores import make_scores

from neurolens.errors import InputError
from neurolens.view.notebook.scores import show_scores


def read_text(page):
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_without_a_choice_the_largest_score_is_called_too_high(rng):
    scores = fake_scores(build_residual(), rng)
    text = read_text(show_scores(scores)._repr_html_())
    assert "op with the largest score its score, too high on average" in text
    best = str(scores.op.values[int(scores.score_mean.sel(region="V4").argmax("op"))])
    largest = float(scores.score_mean.sel(region="V4").max())
    assert f"V4 {best} .{round(1000 * largest):03d}" in text
    assert ".55–.65" in text
    assert "95 % intervals (bootstrap percentile) over stimuli and subjects" in text


def test_a_chosen_op_has_its_held_out_score_first(rng):
    scores = fake_scores(build_residual(), rng)
    best = fake_best(scores)
    best["doubtful"] = ("region", [True, False, False, False])
    view = show_scores(scores, best)
    text = read_text(view._repr_html_())
    assert "best op held-out score on all stimuli" in text
    assert "too high" not in text
    held_out = float(best.heldout_mean.sel(region="V1"))
    assert f"{best.best_op.values[0]} (in doubt) .{round(1000 * held_out):03d}" in text
    assert f"held-out score .{round(1000 * held_out):03d}" in str(view)


def test_methods_and_references_are_there(rng):
    text = read_text(show_scores(fake_scores(build_residual(), rng))._repr_html_())
    assert "Representational dissimilarity matrices" in text
    assert "Kriegeskorte N, Mur M, Bandettini P (2008)" in text


def test_scores_of_any_size_are_short(rng):
    scores = fake_scores(build_large(20_000), rng, regions=[f"<R{i}>" * 30 for i in range(40)])
    page = show_scores(scores)._repr_html_()
    assert 10_000 < len(page) <= 100_000
    assert "and 28 more regions" in page
    assert "<R1>" not in page


def test_a_region_without_scores_says_so():
    scores = make_scores(np.array([[0.1, np.nan], [0.3, np.nan], [0.2, np.nan]]))
    text = read_text(show_scores(scores)._repr_html_())
    assert "IT no op has a score –" in text
    assert "V1 b .300" in text


def test_what_is_no_score_is_refused():
    with pytest.raises(InputError, match="show_scores takes scores"):
        show_scores(xr.Dataset())
