import numpy as np
import pytest
from scores import make_scores

from neurolens.compare import compare_ops, tabulate_models
from neurolens.errors import InputError, UnknownNameError


def draw_scores(rng, mean, *, spread=0.03, p=None):
    """Return scores of one region with independent draws around ``mean`` (op,)."""
    mean = np.asarray(mean, dtype=float)[:, None]
    names = [chr(97 + k) for k in range(len(mean))]
    draws = mean + spread * rng.normal(size=(300, *mean.shape))
    variables = {"bootstrap_mean": (("bootstrap", "op", "region"), draws)}
    if p is not None:
        variables["p"] = (("op", "region"), np.reshape(p, mean.shape))
    labels = {"ops": names, "regions": ("IT",)}
    return make_scores(mean, n_stimuli=40, labels=labels, variables=variables)


def list_letters(table):
    return table.letters.sel(region="IT").values.tolist()


def test_letters_say_which_pairs_differ(rng):
    table = tabulate_models(draw_scores(rng, [0.1, 0.5, 0.41, 0.32], spread=0.028))
    letters = list_letters(table)
    for i in range(4):
        for j in range(i):
            differ = table.p_corrected.values[i, j, 0] <= 0.05
            assert differ == (not set(letters[i]) & set(letters[j]))
    assert "a" in letters[1]
    assert len({*letters}) > 2


def test_a_middle_one_shares_both_letters(rng):
    table = tabulate_models(draw_scores(rng, [0.5, 0.43, 0.36], spread=0.035))
    assert list_letters(table) == ["a", "ab", "b"]


def test_no_letter_more_than_needed(rng):
    table = tabulate_models(draw_scores(rng, [0.1, 0.5, 0.49, 0.8]))
    assert list_letters(table) == ["c", "b", "b", "a"]


def test_corrections_by_hand(rng):
    scores = draw_scores(rng, [0.1, 0.2, 0.15, 0.18], spread=0.04)
    pairs = compare_ops(scores)
    upper = np.triu_indices(4, 1)
    p = pairs.p.values[*upper, 0]
    holm = tabulate_models(scores).p_corrected.values[*upper, 0]
    for k, one in enumerate(p):
        steps = [min(1, other * (p >= other).sum()) for other in p if other <= one]
        assert holm[k] == pytest.approx(max(steps))
    by_fdr = tabulate_models(scores, correction="fdr")
    np.testing.assert_allclose(by_fdr.p_corrected, pairs.q)
    assert by_fdr.attrs["correction"] == "fdr"


def test_stars_and_missing_scores(rng):
    scores = draw_scores(rng, [0.5, 0.4, np.nan, 0.1], p=[0.001, 0.03, np.nan, 0.2])
    table = tabulate_models(scores)
    assert table.stars.values.ravel().tolist() == ["***", "*", "", ""]
    assert list_letters(table)[2] == ""
    frame = table[["score_mean", "letters"]].to_dataframe()
    assert frame.loc[("a", "IT"), "letters"] == "a"


def test_equal_ops_seldom_differ(rng):
    """Of six equal ops any is said to differ in about 5 % of data sets, not in 50 %."""
    found = 0
    for _ in range(100):
        truth = 0.03 * rng.normal(size=6)
        found += set(list_letters(tabulate_models(draw_scores(rng, truth)))) != {"a"}
    assert found <= 11


def test_what_cannot_be_tabulated(rng):
    with pytest.raises(InputError, match="30 ops or fewer, got 31"):
        tabulate_models(draw_scores(rng, np.zeros(31)))
    scores = draw_scores(rng, [0.1, 0.2])
    with pytest.raises(UnknownNameError, match="no correction named 'bonferroni'"):
        tabulate_models(scores, correction="bonferroni")
    with pytest.raises(InputError, match="alpha must lie between 0 and 1"):
        tabulate_models(scores, alpha=5)
    with pytest.raises(InputError, match="tabulate_models needs resampled scores"):
        tabulate_models(scores.drop_vars("bootstrap_mean"))
