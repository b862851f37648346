"""Colors of scores: one raw scale for all regions."""

import numpy as np
import pytest
from graphs import build_chain, fake_scores

from neurolens.view.annotation.reading import annotate_ops

GRAPH = build_chain(12)
OP = GRAPH.ops[3].name


@pytest.mark.parametrize(
    ("ceilings", "end"),
    [((0.55, 0.4, 0.3), 0.55), ((0.61, np.nan, -0.1), 0.65), ((np.nan,) * 3, 0.35)],
)
def test_one_scale_reaches_the_largest_score_or_ceiling(rng, ceilings, end):
    scores = fake_scores(GRAPH, rng, regions=("V1", "V2", "FFA"))
    scores["score_mean"] = scores.score_mean * (0.331 / scores.score_mean.max())
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=list(ceilings))
    note = annotate_ops(scores)
    assert note.scale_end == end
    np.testing.assert_allclose(note.get_shares(OP), scores.score_mean.sel(op=OP) / end)


def test_a_multiple_of_the_step_is_the_end_itself(rng):
    scores = fake_scores(GRAPH, rng, without_ceiling=("V1", "V2", "V4", "IT"))
    for end in (0.05, 0.15, 0.3, 0.35, 0.7, 1.0):
        # a hair above, as sums of floats are
        largest = np.nextafter(end, 2)
        scores["score_mean"] = scores.score_mean.clip(max=0) + largest
        assert annotate_ops(scores).scale_end == end


def test_without_a_positive_score_the_scale_ends_at_one(rng):
    scores = fake_scores(GRAPH, rng, without_ceiling=("V1", "V2", "V4", "IT"))
    for mean in (-abs(scores.score_mean), scores.score_mean * np.nan):
        assert annotate_ops(scores.assign(score_mean=mean)).scale_end == 1.0


def test_the_meaning_of_colors_is_said(rng):
    scores = fake_scores(GRAPH, rng)
    said = annotate_ops(scores).describe_colors()
    assert said == "score (rho-a), one scale for all regions, marked at each lower noise ceiling"
    one = annotate_ops(scores, regions="IT")
    assert one.describe_colors() == "score (rho-a), marked at the lower noise ceiling"
    bare = fake_scores(GRAPH, rng, regions=("A", "B"), without_ceiling=("A", "B"))
    assert annotate_ops(bare).describe_colors() == "score (rho-a), one scale for all regions"
    nothing = scores.assign(score_mean=scores.score_mean * np.nan)
    assert annotate_ops(nothing).describe_colors() == "no op has a score"


def test_missing_ceilings_and_disagreement_are_said(rng):
    scores = fake_scores(GRAPH, rng, regions=("V1", "V2", "FFA"))
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[np.nan, 0.0, -0.1])
    assert annotate_ops(scores).describe_gaps() == [
        "no lower noise ceiling: V1",
        "subjects do not agree (lower noise ceiling ≤ 0): V2, FFA",
    ]
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[np.nan] * 3)
    assert annotate_ops(scores).describe_gaps() == ["no region has a lower noise ceiling"]
    many = fake_scores(GRAPH, rng, regions=[f"R{i}" for i in range(30)], without_ceiling=["R1"])
    many["ceiling_lower"] = many.ceiling_lower.copy(data=[0.5] + [np.nan] * 29)
    assert annotate_ops(many).describe_gaps() == [
        "no lower noise ceiling: R1, R2, R3, R4, R5, R6 and 23 more"
    ]


def test_a_ceiling_is_one_number_or_a_range(rng):
    scores = fake_scores(GRAPH, rng, regions=("V1", "V2"), without_ceiling=("V2",))
    note = annotate_ops(scores)
    assert [note.describe_ceiling(i) for i in (0, 1)] == [".55–.65", "none"]
    scores["ceiling_upper"] = scores.ceiling_lower
    assert annotate_ops(scores).describe_ceiling(0) == ".55"


def test_more_than_six_regions_have_colors(rng):
    regions = [f"R{i}" for i in range(9)]
    colors = annotate_ops(fake_scores(GRAPH, rng, regions=regions)).colors
    assert list(colors) == regions
    assert len(set(colors.values())) == 6
