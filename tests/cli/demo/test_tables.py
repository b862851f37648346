"""The table of the demo has the numbers of scores and best ops."""

import numpy as np
from graphs import build_residual, fake_best, fake_scores
from results import add_contrasts

from neurolens.cli.demo.tables import HEADS, format_best, list_cells
from neurolens.view.style import format_score


def test_each_row_is_that_of_its_region(rng):
    scores = fake_scores(build_residual(), rng, without_ceiling=("V2",))
    scores = scores.assign_coords(split=np.arange(20))
    best = add_contrasts(fake_best(scores), ("a", "b"))
    for region in ("V1", "V2"):
        row = best.sel(region=region)
        cells = dict(zip(HEADS, list_cells(scores, best, region), strict=True))
        assert cells["best op"] == row.best_op.item()
        assert cells["held-out"] == format_score(row.heldout_mean.item(), 3)
        assert cells["biased"] == format_score(row.naive_score.item(), 3)
        controls = [format_score(value, 3) for value in row.control_score.values]
        assert cells["control"] == ", ".join(controls)
        assert cells["candidates"] == str(int(row.indistinguishable.sum()))
        assert cells["same choice"] == "75 %"
    assert cells["ceiling"] == "none"


def test_shares_are_rounded_as_on_the_page(rng):
    scores = fake_scores(build_residual(), rng)
    scores = scores.assign_coords(split=np.arange(20))
    best = fake_best(scores)
    best["agreement"] = best.agreement * 0 + 37 / 40  # Math.round has 93
    assert list_cells(scores, best, "V1")[HEADS.index("same choice")] == "93 %"


def test_the_table_ends_with_what_its_columns_mean(rng):
    scores = fake_scores(build_residual(), rng)
    scores = scores.assign_coords(split=np.arange(20))
    text = format_best(scores, fake_best(scores), ("planted op", {"V1": "conv1/conv2d"}))
    lines = text.splitlines()
    assert lines[0].split()[-2:] == ["planted", "op"]
    assert lines[2].startswith("V1")
    assert lines[2].endswith("conv1/conv2d")
    assert "40 random halves" in " ".join(lines)
    assert max(map(len, lines[6:])) <= 100
