"""The summary says what the numbers say, and what is not known."""

import numpy as np
import pytest
from graphs import build_residual, fake_best, fake_scores
from results import add_contrasts

from neurolens.view.page.document import build_document


def spell(document):
    """Return the sentences with names of ops in place of links."""
    ops = document["graph"]["ops"]
    sentences = []
    for sentence in document["summary"]:
        parts = [part if isinstance(part, str) else ops[part["op"]]["name"] for part in sentence]
        sentences.append("".join(parts))
    return sentences


@pytest.fixture
def make(rng):
    """Return a function that builds a summary for some regions, after changes to best ops."""

    def build(regions=("V4", "IT"), change=None, control=None, **settings):
        graph = build_residual()
        scores = fake_scores(graph, rng, regions=regions, **settings)
        best = add_contrasts(fake_best(scores))
        if change is not None:
            best = change(best)
        return spell(build_document(graph, scores, best=best, control=control)), best

    return build


def test_fit_against_chance_ceiling_and_control(make):
    (fit, _, _), best = make(regions=("IT",))
    held_out = best.heldout_mean.item()
    low = best.heldout_ci_low.item()
    high = best.heldout_ci_high.item()
    difference = best.control_difference.item()
    wanted = (
        f"IT is fit best by {best.best_op.item()} (held-out ρₐ = {held_out:.2f} "
        f"[{low:.2f}, {high:.2f}], above chance, p = .004, {100 * held_out / 0.55:.0f} % of the "
        f"lower noise ceiling of .55, above control by {difference:.2f} "
        f"[{difference - 0.05:.2f}, {difference + 0.05:.2f}], p = .012); "
        "95 % intervals over stimuli and subjects."
    )
    assert fit == wanted.replace("0.", ".")


def test_what_is_not_above_chance_or_control_is_told(make):
    def weaken(best):
        return best.assign(
            heldout_p=best.heldout_p * 0 + 0.31, control_difference_p=best.control_score * 0 + 0.2
        )

    (fit, _, _), _ = make(change=weaken)
    assert "not above chance, p = .310" in fit
    assert "not reliably above control: difference" in fit
    assert fit.count("above chance") == fit.count("not above chance")


def test_without_p_the_interval_decides_and_without_both_it_says_so(make):
    def bound(best):
        best = best.drop_vars(["heldout_p", "control_difference_p"])
        return best.assign(heldout_ci_low=best.heldout_ci_low * 0 - 0.1)

    assert "not above chance," in make(change=bound)[0][0]
    fit = make(change=lambda best: best.drop_vars(["heldout_p", "heldout_ci_low"]))[0][0]
    assert "without an interval" in fit


def test_measures_whose_chance_is_not_0_are_not_tested_against_it(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng, regions=("IT",)).assign_attrs(measure="cka")
    best = add_contrasts(fake_best(scores))
    text = spell(build_document(graph, scores, best=best))[0]
    assert "chance is not 0 for this measure and was not estimated" in text
    assert "above chance" not in text


def test_regions_without_ceiling_or_control(make):
    def forget(best):
        return best.drop_vars([name for name in best if str(name).startswith("control")])

    (fit, _, _), _ = make(change=forget, without_ceiling=("IT",))
    assert "% of the lower noise ceiling of .55" in fit
    assert fit.count("no noise ceiling") == 1
    assert "control" not in fit


def test_a_control_that_was_not_tested_is_named(make, rng):
    def forget(best):
        return best.drop_vars([name for name in best if str(name).startswith("control_d")])

    (fit, _, _), best = make(change=forget)
    score = best.control_score.values[0, 0]
    assert f"control: {score:.2f}, difference not tested".replace("0.", ".") in fit


def test_ties_are_counted_and_the_closest_named_first(make):
    def tie(best):
        tied = best.indistinguishable.copy(deep=True)
        tied[:] = False
        tied.loc[{"region": "IT", "op": best.op.values[40:48]}] = True
        return best.assign(indistinguishable=tied)

    (_, ties, _), _ = make(regions=("V1", "IT"), change=tie)
    assert "for V1, every other one can be told apart from the best one" in ties
    assert "for IT, " in ties
    assert " more." in ties


def test_nothing_told_apart_for_lack_of_draws_and_doubts(make):
    def doubt(best):
        tied = best.indistinguishable.copy(data=np.ones(best.indistinguishable.shape, dtype=bool))
        return best.assign(
            indistinguishable=tied, margin=best.margin * np.nan, doubtful=best.margin > 0
        )

    (_, ties, _), _ = make(change=doubt)
    assert ties.count("no operations can be told apart, for lack of draws") == 2
    assert ties.count("(in doubt: 75 % of the halves choose it)") == 2


def test_depth_follows_or_does_not(make):
    (*_, depth), _ = make(regions=("V1", "V4", "IT"))
    assert depth == (
        "The depth of best operations follows the order V1 → V4 → IT: Spearman's ρ = 1.00 "
        "[.80, 1.00], p = .042."
    )
    (*_, depth), _ = make(
        regions=("V1", "V4", "IT"), change=lambda best: best.assign(hierarchy_p=0.3)
    )
    assert "does not reliably follow the order" in depth
    (*_, depth), _ = make()
    assert ".20 [.10, .30] for V4, .90 [.80, 1.00] for IT" in depth
    assert "tested for three regions or more" in depth


def test_many_regions_are_counted(make):
    regions = tuple(f"r{i}" for i in range(12))

    def weaken(best):
        return best.assign(heldout_p=("region", [0.2] * 5 + [0.01] * 7))

    (fit, ties, depth), best = make(regions=regions, change=weaken)
    assert fit.startswith("In 7 of 12 regions the best operation is above chance")
    assert "not corrected for the number of regions" in fit
    assert "in 12 of 12 it is reliably above control" in fit
    largest = best.heldout_mean.region.values[best.heldout_mean.values.argmax()]
    assert f"largest for {largest}, ρₐ = " in fit
    assert "of 12 regions every other operation can be told apart" in ties
    assert "follows the order of the 12 regions: " in depth


def test_many_regions_without_a_known_chance_are_sentences(make):
    regions = tuple(f"r{i}" for i in range(12))
    (fit, *_), _ = make(regions=regions, change=lambda best: best.drop_vars("heldout_p"))
    assert fit.startswith("In 12 of 12 regions the best operation is reliably above control; held")

    def forget(best):
        names = [name for name in best if str(name).startswith("control")]
        return best.drop_vars([*names, "heldout_p"])

    (fit, *_), _ = make(regions=regions, change=forget)
    assert fit.startswith("Held-out scores are largest for ")


def test_depth_against_the_order_does_not_follow_it(make):
    regions = ("V1", "V2", "V4", "IT")
    (*_, depth), _ = make(regions=regions, change=lambda best: best.assign(hierarchy=-0.8))
    assert "does not reliably follow the order V1 → V2 → V4 → IT: Spearman's ρ = −.80" in depth
    (*_, depth), _ = make(regions=regions, change=lambda best: best.assign(hierarchy=np.nan))
    assert "; its order could not be tested" in depth


def test_a_choice_without_a_held_out_score_is_left_out(make):
    def lose(best):
        return best.assign(heldout_mean=("region", [np.nan, 0.3]))

    (fit, *_), best = make(change=lose)
    assert fit.startswith(f"IT is fit best by {best.best_op.values[1]} (held-out")


def test_intervals_of_which_nothing_is_known_are_not_announced(make):
    def forget(best):
        return best.assign_attrs(interval_over="", interval_level=None)

    (fit, *_), _ = make(change=forget)
    assert fit.endswith("p = .012).")


def test_p_just_above_the_level_is_not_rounded_to_it(make):
    (fit, *_), _ = make(("IT",), lambda best: best.assign(heldout_p=("region", [0.0504])))
    assert "not above chance, p = .0504" in fit


def test_a_score_below_zero_is_no_share_of_the_ceiling(make):
    (fit, *_), _ = make(("IT",), lambda best: best.assign(heldout_mean=("region", [-0.1])))
    assert "lower noise ceiling .55, " in fit
    assert " % of the" not in fit


def test_without_best_ops_the_bias_is_told(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng, regions=("IT",))
    (text,) = spell(build_document(graph, scores))
    top = scores.score_mean.sel(region="IT")
    assert f"IT ρₐ = {top.max().item():.2f} at ".replace("0.", ".") in text
    assert str(top.op.values[top.values.argmax()]) in text
    assert "biased upwards by the choice" in text
    empty = scores.assign(score_mean=scores.score_mean * np.nan)
    assert spell(build_document(graph, empty)) == ["No operation has a score."]
    nothing = fake_best(scores).assign(best_op=("region", [""]))
    assert "No operation could be chosen" in spell(build_document(graph, scores, best=nothing))[0]
