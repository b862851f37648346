import warnings

import numpy as np
import oracles
import pytest
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from squares import draw_square, label_squares

from neurolens.compare import COMPARATORS, compare_rdms, compute_rdm_ceilings, to_rsatoolbox
from neurolens.errors import InputError, UnknownNameError

RSATOOLBOX_NAMES = {
    "spearman": "spearman",
    "pearson": "corr",
    "cosine": "cosine",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
    "whitened-pearson": "corr_cov",
    "whitened-cosine": "cosine_cov",
    "bures": "bures",
}


def build_brain(rng, n_subjects=4, n=8, noise=0.5):
    shared = draw_square(rng, n)
    squares = [shared + noise * draw_square(rng, n) for _ in range(n_subjects)]
    return label_squares([squares], region=["IT"], subject=list("ABCDEFGH")[:n_subjects])


@pytest.mark.parametrize("comparator", COMPARATORS)
class TestOracles:
    def test_loops(self, rng, comparator):
        brain = build_brain(rng)
        brain.values *= np.array([1, 100, 0.01, 5])[None, :, None, None]
        found = compute_rdm_ceilings(brain, comparator=comparator)
        lower, upper = oracles.ceilings(brain.values[0], comparator)
        assert found.ceiling_lower.item() == pytest.approx(
            lower, abs=2e-7 if comparator == "bures" else 1e-12
        )
        assert found.ceiling_upper.item() == pytest.approx(
            upper, abs=2e-7 if comparator == "bures" else 1e-12
        )

    def test_rsatoolbox(self, rng, comparator):
        if comparator == "bures":
            pytest.skip("rsatoolbox cannot pool for Bures")
        brain = build_brain(rng)
        found = compute_rdm_ceilings(brain, comparator=comparator)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Noise ceiling for tau based on averaged ranks")
            lower, upper = boot_noise_ceiling(
                to_rsatoolbox(brain), method=RSATOOLBOX_NAMES[comparator]
            )
        # Its solver for whitening stops early, so our upper bound, which is a maximum, is larger.
        atol = 5e-4 if comparator.startswith("whitened") else 1e-12
        np.testing.assert_allclose(
            [found.ceiling_lower.item(), found.ceiling_upper.item()], [lower, upper], atol=atol
        )
        assert found.ceiling_upper.item() >= upper - 1e-12

    def test_no_model_beats_the_upper_bound(self, rng, comparator):
        # No competing RDM has ties; without ties the bound of Spearman is exact too.
        slack = 0.05 if comparator in ("tau-a", "bures") else 1e-12
        brain = build_brain(rng, n=6, noise=2)
        upper = compute_rdm_ceilings(brain, comparator=comparator).ceiling_upper.item()
        subjects = brain.values[0]
        rivals = [np.tensordot(rng.dirichlet(np.ones(4)), subjects, 1) for _ in range(300)]
        rivals += [np.mean([s / s.max() for s in subjects], axis=0), np.median(subjects, axis=0)]
        model = label_squares(rivals, op=[f"m{k}" for k in range(len(rivals))])
        scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
        assert float(scores.score_mean.max()) <= upper + slack
        assert scores.ceiling_upper.item() == upper

    def test_planted_truth_lies_between(self, rng, comparator):
        """The noiseless RDM always scores below the upper bound.

        On average it scores above the lower one.
        """
        lower, score, upper = [], [], []
        for _ in range(20):
            shared = draw_square(rng, 16)
            squares = [shared + draw_square(rng, 16) - draw_square(rng, 16) for _ in range(5)]
            brain = label_squares(squares, subject=list("ABCDE"))
            scores = compare_rdms(
                label_squares(shared), brain, comparator=comparator, n_bootstrap=0, n_splits=0
            )
            lower.append(scores.ceiling_lower.item())
            score.append(scores.score_mean.item())
            upper.append(scores.ceiling_upper.item())
        if comparator not in ("rho-a", "tau-a", "bures"):
            assert all(np.array(score) <= np.array(upper) + 1e-12)
        assert np.mean(lower) < np.mean(score) < np.mean(upper)


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_ceilings_that_are_no_strict_bound_say_so(rng, comparator):
    attrs = compute_rdm_ceilings(build_brain(rng), comparator=comparator).attrs
    is_bound = comparator not in ("spearman", "tau-a", "bures")
    assert attrs["measure"] == comparator
    assert attrs["ceiling_bound"] == ("exact" if is_bound else "none")
    assert ("can exceed it" in attrs["ceiling_note"]) is not is_bound


def test_a_model_with_ties_can_exceed_the_upper_ceiling_of_spearman_only():
    """With mean ranks 1, 2.4, 2.6 of five subjects, a tie of the last two fits best."""
    pairs = [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 3, 2], [1, 3, 2]]
    squares = np.zeros((5, 3, 3))
    squares[:, *np.triu_indices(3, 1)] = pairs
    brain = label_squares([squares + squares.swapaxes(1, 2)], region=["IT"], subject=list("ABCDE"))
    tied = label_squares([[0, 1, 2], [1, 0, 2], [2, 2, 0]])
    ordered = label_squares([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    quick = {"n_bootstrap": 0, "n_splits": 0}
    upper = compute_rdm_ceilings(brain).ceiling_upper.item()
    # Centered mean ranks are (-1, 0.4, 0.6); ranks (-1, 0, 1) and (-1, 0.5, 0.5).
    assert upper == pytest.approx((1 + 0.6) / np.sqrt(2 * 2))
    assert compare_rdms(ordered, brain, **quick).score_mean.item() == pytest.approx(upper)
    score = compare_rdms(tied, brain, **quick).score_mean.item()
    assert score == pytest.approx(1.5 / np.sqrt(1.5 * 2))
    assert score > upper + 0.05
    upper = compute_rdm_ceilings(brain, comparator="rho-a").ceiling_upper.item()
    score = compare_rdms(tied, brain, comparator="rho-a", **quick).score_mean.item()
    assert score <= upper + 1e-12


def test_many_regions_are_not_all_listed(rng):
    square = draw_square(rng, 4)
    regions = [f"r{k}" for k in range(30)]
    brain = label_squares([[square, square]] * 30, region=regions, subject=["A", "B"])
    brain[1:, 1] = np.nan
    note = compute_rdm_ceilings(brain).attrs["ceiling_note"]
    assert "r18 1, r19 1, and 10 more. No ceiling" in note
    assert note.endswith("in: " + ", ".join(regions[1:21]) + ", and 9 more.")


def test_without_a_second_subject_the_note_says_why(rng):
    attrs = compute_rdm_ceilings(label_squares(draw_square(rng, 4))).attrs
    expected = "No noise ceiling: every region has fewer than two subjects."
    assert attrs["ceiling_note"] == expected
    assert attrs["ceiling_bound"] == "none"


def test_known_answer():
    # Ranks (1, 2, 3) and (1, 3, 2): each other's r is .5; their mean (1, 2.5, 2.5) gives 1.5 /
    # sqrt(2 * 1.5) to both.
    brain = label_squares(
        [[[0, 1, 2], [1, 0, 3], [2, 3, 0]], [[0, 10, 30], [10, 0, 20], [30, 20, 0]]],
        subject=["A", "B"],
    )
    ceilings = compute_rdm_ceilings(brain)
    assert ceilings.ceiling_lower.item() == pytest.approx(0.5)
    assert ceilings.ceiling_upper.item() == pytest.approx(1.5 / np.sqrt(3))


def test_one_subject_has_no_ceiling(rng):
    squares = [[draw_square(rng, 5) for _ in "ABC"] for _ in range(3)]
    brain = label_squares(squares, region=["V1", "V4", "IT"], subject=list("ABC"))
    brain[1, 1:] = np.nan
    brain[2] = np.nan
    ceilings = compute_rdm_ceilings(brain)
    assert np.isfinite(ceilings.ceiling_lower.values).tolist() == [True, False, False]
    assert np.isfinite(ceilings.ceiling_upper.values).tolist() == [True, False, False]
    assert ceilings.n_subjects.values.tolist() == [3, 1, 0]
    assert ceilings.attrs["ceiling_note"].endswith(
        "V1 3, V4 1, IT 0. No ceiling, for fewer than two subjects, in: V4, IT."
    )


def test_pool_without_a_similarity_is_named(rng):
    """The ranks of A and B cancel, so that C has nothing to be compared with."""
    ranks = np.zeros((3, 3, 3))
    ranks[:, *np.triu_indices(3, 1)] = [[1, 2, 3], [3, 2, 1], [1, 3, 2]]
    brain = label_squares(
        [[*(ranks + ranks.swapaxes(1, 2))]] * 2, region=["V1", "IT"], subject=list("ABC")
    )
    brain[0, 1] = brain[0, 0]
    with pytest.warns(
        RuntimeWarning,
        match=r"spearman between a subject and its pool is undefined: 'IT, C'\. Leave",
    ):
        ceilings = compute_rdm_ceilings(brain)
    assert np.isnan(ceilings.ceiling_lower).values.tolist() == [False, True]
    assert np.isnan(ceilings.left_out).values.tolist() == [[False] * 3, [False, False, True]]
    assert ceilings.attrs["ceiling_note"].endswith("undefined: 'IT, C'.")
    with pytest.warns(RuntimeWarning, match=r"undefined: 'brain, all subjects'\."):
        ceilings = compute_rdm_ceilings(brain.sel(region="IT", subject=["A", "B"], drop=True))
    assert ceilings.ceiling_lower.item() == pytest.approx(-1)
    assert np.isnan(ceilings.ceiling_upper.item())


def test_identical_subjects_reach_one(rng):
    brain = label_squares([draw_square(rng, 6)] * 3, subject=list("ABC"))
    for comparator in COMPARATORS:
        ceilings = compute_rdm_ceilings(brain, comparator=comparator)
        best = (
            1 if comparator != "tau-a" else oracles.tau_a(*[oracles.triangle(brain.values[0])] * 2)
        )
        assert ceilings.ceiling_lower.item() == pytest.approx(best)
        assert ceilings.ceiling_upper.item() == pytest.approx(best)
    assert ceilings.attrs["ceiling_note"] == (
        "RDM ceiling of Nili et al. 2014 on the mean bures over subjects, averaged as bures sees "
        "the RDMs; lower leaves the subject out, upper includes it (some model RDMs can exceed "
        "it). Subjects per region: brain 3."
    )


def test_errors(rng):
    brain = build_brain(rng)
    with pytest.raises(UnknownNameError, match=r"no comparator named 'rho'. Closest: 'rho-a'"):
        compute_rdm_ceilings(brain, comparator="rho")
    brain[0, 0, 0, 1] = brain[0, 0, 1, 0] = np.nan
    with pytest.raises(InputError, match="hold NaN for some pairs: 'IT, A'"):
        compute_rdm_ceilings(brain)
