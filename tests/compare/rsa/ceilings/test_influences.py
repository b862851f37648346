"""Influences of stimuli on ceilings, against numerical derivatives, and their intervals."""

import numpy as np
import oracles
import pytest
from squares import draw_square, label_squares, measure_square

from neurolens.compare import COMPARATORS, bootstrap_rdms, compare_ops, compare_rdms
from neurolens.compare.rdms.vectors import read_brain_rdms
from neurolens.compare.rsa.ceilings.bounds import bound_region, bound_subjects
from neurolens.compare.rsa.ceilings.influences import influence_bounds

pytestmark = pytest.mark.filterwarnings("ignore:RDMs that have nothing to do with each other")
CEILINGS = ("ceiling_lower", "ceiling_upper")
N = 7


def build_brain(rng):
    """Return RDMs of three subjects, of whom one has the second region."""
    shared = draw_square(rng, N)
    squares = [shared + draw_square(rng, N) for _ in range(3)]
    alone = [draw_square(rng, N), *[np.full((N, N), np.nan)] * 2]
    return label_squares([squares, alone], region=["V1", "IT"], subject=["A", "B", "C"])


@pytest.mark.parametrize("comparator", ["spearman", "rho-a", "bures"])
def test_influences_are_derivatives(rng, comparator):
    """The second region has one subject, and no ceiling."""
    brain = read_brain_rdms(build_brain(rng))
    row = COMPARATORS[comparator]
    found = influence_bounds(brain, row, np.arange(N)).influences
    for side in ("lower", "upper"):

        def score(weights, side=side):
            return getattr(bound_region(brain.pairs[0], row, weights[None]), side)[0]

        expected = oracles.differentiate(score, N).T  # (subject, n)
        np.testing.assert_allclose(getattr(found, side)[0], expected, atol=1e-9)
        assert np.isnan(getattr(found, side)[1]).all()


@pytest.mark.parametrize("comparator", ["spearman", "rho-a", "whitened-cosine"])
def test_contributions_are_those_without_influences(rng, comparator):
    """In a region of one subject there are none."""
    brain = read_brain_rdms(build_brain(rng))
    row = COMPARATORS[comparator]
    whole = influence_bounds(brain, row, np.arange(N)).whole
    expected = bound_subjects(brain, row, np.ones((1, N), dtype=int))
    np.testing.assert_array_equal(whole, expected)
    assert np.isnan(whole.upper[0]).tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("comparator", ["pearson", "cosine", "whitened-pearson", "whitened-cosine"])
def test_influences_are_changes_without_a_stimulus(rng, comparator):
    """Pools are those of all stimuli."""
    brain = read_brain_rdms(build_brain(rng))
    row = COMPARATORS[comparator]
    found = influence_bounds(brain, row, np.arange(N)).influences
    counts = np.concatenate([np.ones((1, N)), 1 - np.eye(N)]).astype(int)
    bounds = bound_region(brain.pairs[0], row, counts)
    for side in ("lower", "upper"):
        of_draws = getattr(bounds, side)
        expected = ((of_draws[0] - of_draws[1:]) * (N - 1) / N).T
        np.testing.assert_allclose(getattr(found, side)[0], expected, atol=1e-12)


def test_of_whole_squares_only_what_all_subjects_saw(rng):
    rdms = build_brain(rng)
    rdms[0, 1, 2] = rdms[0, 1, :, 2] = np.nan
    brain = read_brain_rdms(rdms)
    found = influence_bounds(brain, COMPARATORS["whitened-cosine"], np.arange(N)).influences
    assert np.isnan(found.lower[0, :, 2]).all()
    assert not np.isnan(found.lower[0][:, np.arange(N) != 2]).any()


@pytest.mark.parametrize("comparator", ["rho-a", "spearman", "whitened-cosine"])
@pytest.mark.parametrize("function", [compare_rdms, bootstrap_rdms])
def test_intervals_are_those_of_the_bootstrap(rng, comparator, function):
    """With little noise, so that copies of stimuli add little to what draws vary by."""
    latent = rng.normal(size=(60, 4))
    squares = [measure_square(rng, latent, rng.normal(size=(4, 8)), 0.5) for _ in range(5)]
    alone = [squares[0], *[np.full((60, 60), np.nan)] * 4]
    brain = label_squares([squares, alone], region=["V1", "IT"], subject=list("ABCDE"))
    model = brain[0, 0].drop_vars(["region", "subject"])
    by_draws, by_influence = (
        function(model, brain, comparator=comparator, interval=interval)
        for interval in ("bootstrap", "influence")
    )
    for name in CEILINGS:
        widths = [
            (one[f"{name}_ci_high"] - one[f"{name}_ci_low"]).values[0]
            for one in (by_draws, by_influence)
        ]
        assert widths[1] / widths[0] == pytest.approx(1, abs=0.15)
        low, high = by_influence[f"{name}_ci_low"], by_influence[f"{name}_ci_high"]
        np.testing.assert_allclose(((low + high) / 2)[0], by_influence[name][0])
        assert np.isnan(low[1])
    gap = compare_ops(by_influence, against="ceiling")
    assert gap.ci_low[0, 0] < gap.difference[0, 0] < gap.ci_high[0, 0]
