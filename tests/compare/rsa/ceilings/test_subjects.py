import warnings

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
from scipy.spatial.distance import squareform
from squares import draw_square, label_squares, measure_square

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
        assert found.ceiling_lower.item() == pytest.approx(lower, abs=atol)
        assert found.ceiling_upper.item() >= upper - 1e-12
        if comparator not in ("spearman", "tau-a"):
            assert found.ceiling_upper.item() == pytest.approx(upper, abs=atol)

    def test_no_model_beats_the_upper_bound(self, rng, comparator):
        brain = build_brain(rng, n=6, noise=2)
        upper = compute_rdm_ceilings(brain, comparator=comparator).ceiling_upper.item()
        subjects = brain.values[0]
        rivals = [np.tensordot(rng.dirichlet(np.ones(4)), subjects, 1) for _ in range(300)]
        rivals += [np.mean([s / s.max() for s in subjects], axis=0), np.median(subjects, axis=0)]
        # Some have ties, the first of them only two values.
        rivals += [np.round(k * rival / rival.max()) for k in (1, 2, 4) for rival in rivals[-40:]]
        rivals = [rival for rival in rivals if np.ptp(rival[np.triu_indices(6, 1)]) > 0]
        model = label_squares(rivals, op=[f"m{k}" for k in range(len(rivals))])
        scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
        assert float(scores.score_mean.max()) <= upper + 1e-9
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
        assert all(np.array(score) <= np.array(upper) + 1e-12)
        assert np.mean(lower) < np.mean(score) < np.mean(upper)


@pytest.mark.parametrize("comparator", COMPARATORS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_no_model_with_ties_exceeds_the_upper_ceiling(comparator, data):
    """Subjects who agree on two kinds of pairs and on little else, and models of few values."""
    n_subjects = data.draw(st.integers(2, 5))
    row = st.lists(st.integers(-2, 2), min_size=15, max_size=15)
    varied = row.filter(lambda values: len(set(values)) > 1)
    kinds = np.array(data.draw(st.permutations([0] * 8 + [1] * 7)))
    gap = data.draw(st.sampled_from([0, 2, 5]))
    subjects = [gap * kinds + np.array(data.draw(varied)) for _ in range(n_subjects)]
    subjects = [values + (np.ptp(values) == 0) * kinds for values in subjects]
    models = [kinds, data.draw(varied), data.draw(varied)]
    brain = label_squares(
        [squareform(1.0 * values) for values in subjects], subject=list("ABCDE")[:n_subjects]
    )
    model = label_squares([squareform(1.0 * np.array(one)) for one in models], op=list("xyz"))
    with warnings.catch_warnings():
        # Of pools that cancel, and models or Grams that do not vary.
        warnings.simplefilter("ignore", RuntimeWarning)
        scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
    upper = scores.ceiling_upper.item()
    assert scores.attrs["ceiling_bound"] == ("none" if np.isnan(upper) else "exact")
    best = scores.score_mean.max().item()
    assert not best > upper + 1e-7
    assert not scores.ceiling_lower.item() > upper + 1e-7


def test_a_model_of_two_values_can_beat_the_mean_of_all_subjects():
    """With mean ranks 1, 2.4, 2.6 of five subjects, a tie of the last two fits best.

    So the mean of all is no bound under Spearman, and the ceiling is above it; rho-a has no reward
    for the tie.
    """
    pairs = [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 3, 2], [1, 3, 2]]
    squares = np.zeros((5, 3, 3))
    squares[:, *np.triu_indices(3, 1)] = pairs
    brain = label_squares([squares + squares.swapaxes(1, 2)], region=["IT"], subject=list("ABCDE"))
    tied = label_squares([[0, 1, 2], [1, 0, 2], [2, 2, 0]])
    ordered = label_squares([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    quick = {"n_bootstrap": 0, "n_splits": 0}
    upper = compute_rdm_ceilings(brain, comparator="spearman").ceiling_upper.item()
    # Centered mean ranks are (-1, 0.4, 0.6), ranks of each subject have the length sqrt(2).
    assert upper == pytest.approx(np.sqrt(1 + 0.4**2 + 0.6**2) / np.sqrt(2))
    score = compare_rdms(ordered, brain, comparator="spearman", **quick).score_mean.item()
    assert score == pytest.approx((1 + 0.6) / np.sqrt(2 * 2))
    score = compare_rdms(tied, brain, comparator="spearman", **quick).score_mean.item()
    assert score == pytest.approx(1.5 / np.sqrt(1.5 * 2))
    assert (1 + 0.6) / 2 + 0.05 < score <= upper
    upper = compute_rdm_ceilings(brain).ceiling_upper.item()
    assert upper == pytest.approx((1 + 0.6) / 2)
    assert compare_rdms(ordered, brain, **quick).score_mean.item() == pytest.approx(upper)
    assert compare_rdms(tied, brain, **quick).score_mean.item() == pytest.approx(1.5 / 2)


@pytest.mark.parametrize("mean", [-0.5, -0.01, 0.0, 0.001])
def test_distances_around_zero_do_not_upset_bures(rng, mean):
    """One subject's distances are noise of any mean, as crossnobis distances without signal are.

    Those of the others keep their weight in the mean, and no RDM exceeds the upper ceiling.
    """
    shared = measure_square(rng, rng.normal(size=(9, 4)), np.eye(4), 0)
    noise = draw_square(rng, 9) - draw_square(rng, 9)
    noise -= (oracles.mean(oracles.triangle(noise)) - mean) * (1 - np.eye(9))
    squares = [shared + 0.1 * draw_square(rng, 9) for _ in range(3)]
    brain = label_squares([*squares, noise], subject=list("ABCD"))
    ceilings = compute_rdm_ceilings(brain, comparator="bures")
    model = label_squares([np.mean([*squares, noise], axis=0), shared], op=["mean", "truth"])
    scores = compare_rdms(model, brain, comparator="bures", n_bootstrap=0, n_splits=0)
    assert ceilings.ceiling_upper.item() >= scores.score_mean.max().item()
    assert ceilings.ceiling_upper.item() >= ceilings.ceiling_lower.item()
    # The three see each other through the noise of the fourth.
    assert ceilings.left_out.values[0, :3].min() > 0.8


@pytest.mark.parametrize("comparator", ["pearson", "rho-a", "spearman", "cosine"])
def test_subjects_that_lack_pairs_are_compared_over_those_they_share(rng, comparator):
    """A lacks a stimulus and B a single pair; each pair's mean is of the subjects who have it."""
    brain = build_brain(rng, n_subjects=4, n=8)
    brain[0, 0, 3, :] = brain[0, 0, :, 3] = np.nan
    brain[0, 1, 0, 5] = brain[0, 1, 5, 0] = np.nan
    found = compute_rdm_ceilings(brain, comparator=comparator)
    rows = np.array([oracles.triangle(square) for square in brain.values[0]])
    scaled = np.full(rows.shape, np.nan)
    for row, values in zip(scaled, rows, strict=True):
        there = ~np.isnan(values)
        row[there] = oracles.pool([values[there].tolist()], comparator)
        if comparator in ("rho-a", "spearman"):
            # As if among as many as the others have.
            row[there] *= 29 / (there.sum() + 1)
    for s in range(4):
        pool = np.nanmean(np.delete(scaled, s, axis=0), axis=0)
        both = ~np.isnan(pool) & ~np.isnan(rows[s])
        similarity = oracles.SIMILARITIES[comparator](pool[both].tolist(), rows[s][both].tolist())
        assert found.left_out.values[0, s] == pytest.approx(similarity)
    assert found.attrs["ceiling_bound"] == "expected"
    assert "Pairs are missing in 'IT, A', 'IT, B': the mean" in found.attrs["ceiling_note"]
    assert found.ceiling_lower.item() < found.ceiling_upper.item() < 1


def test_subjects_who_share_no_stimuli_have_no_ceiling(rng):
    """Two halves of the stimuli, each seen by one subject alone."""
    brain = build_brain(rng, n_subjects=2, n=8)
    seen = np.arange(8) < 4
    for subject, own in enumerate((seen, ~seen)):
        brain.values[0, subject][~(own[:, None] & own)] = np.nan
    with pytest.warns(RuntimeWarning, match="between a subject and its pool is undefined: 'IT, A'"):
        found = compute_rdm_ceilings(brain)
    assert np.isnan(found.ceiling_lower.item())


def test_many_regions_are_not_all_listed(rng):
    square = draw_square(rng, 4)
    regions = [f"r{k}" for k in range(30)]
    brain = label_squares([[square, square]] * 30, region=regions, subject=["A", "B"])
    brain[1:, 1] = np.nan
    note = compute_rdm_ceilings(brain).attrs["ceiling_note"]
    assert "r18 1, r19 1, and 10 more. No ceiling" in note
    assert "in: " + ", ".join(regions[1:21]) + ", and 9 more. If a subject" in note


def test_without_a_second_subject_the_note_says_why(rng):
    attrs = compute_rdm_ceilings(label_squares(draw_square(rng, 4))).attrs
    assert attrs["ceiling_note"].startswith(
        "No noise ceiling: every region has fewer than two subjects. If a subject saw stimuli "
        "repeatedly, compute_split_ceilings(responses)"
    )
    assert attrs["ceiling_bound"] == "none"


def test_known_answer():
    # Ranks (1, 2, 3) and (1, 3, 2): each other's r is .5; their mean (1, 2.5, 2.5) has the product
    # 1.5 with both, of 2 at most.
    brain = label_squares(
        [[[0, 1, 2], [1, 0, 3], [2, 3, 0]], [[0, 10, 30], [10, 0, 20], [30, 20, 0]]],
        subject=["A", "B"],
    )
    ceilings = compute_rdm_ceilings(brain)
    assert ceilings.attrs["measure"] == "rho-a"
    assert ceilings.ceiling_lower.item() == pytest.approx(0.5)
    assert ceilings.ceiling_upper.item() == pytest.approx(1.5 / 2)
    ceilings = compute_rdm_ceilings(brain, comparator="spearman")
    assert ceilings.ceiling_upper.item() == pytest.approx(1.5 / np.sqrt(3))
    # The parts of two subjects that are alike are alike.
    assert ceilings.kept_in.values[0] == pytest.approx([1.5 / np.sqrt(3)] * 2)


def test_one_subject_has_no_ceiling(rng):
    squares = [[draw_square(rng, 5) for _ in "ABC"] for _ in range(3)]
    brain = label_squares(squares, region=["V1", "V4", "IT"], subject=list("ABC"))
    brain[1, 1:] = np.nan
    brain[2] = np.nan
    ceilings = compute_rdm_ceilings(brain)
    assert np.isfinite(ceilings.ceiling_lower.values).tolist() == [True, False, False]
    assert np.isfinite(ceilings.ceiling_upper.values).tolist() == [True, False, False]
    assert ceilings.n_subjects.values.tolist() == [3, 1, 0]
    note = ceilings.attrs["ceiling_note"]
    assert "V1 3, V4 1, IT 0. No ceiling, for fewer than two subjects, in: V4, IT. If a" in note


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
        ceilings = compute_rdm_ceilings(brain, comparator="spearman")
    assert np.isnan(ceilings.ceiling_lower).values.tolist() == [False, True]
    assert np.isnan(ceilings.left_out).values.tolist() == [[False] * 3, [False, False, True]]
    assert ceilings.attrs["ceiling_note"].endswith("undefined: 'IT, C'.")
    opposed = brain.sel(region="IT", subject=["A", "B"], drop=True)
    # Whatever a model has in common with one of two opposites it lacks with the other.
    ceilings = compute_rdm_ceilings(opposed, comparator="spearman")
    assert ceilings.ceiling_lower.item() == pytest.approx(-1)
    assert ceilings.ceiling_upper.item() == pytest.approx(0)
    with pytest.warns(RuntimeWarning, match=r"undefined: 'brain, all subjects'\."):
        ceilings = compute_rdm_ceilings(opposed, comparator="pearson")
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
        "the RDMs; lower leaves the subject out, upper is the root of the mean bures over all pairs "
        "of subjects, equal ones too. Subjects per region: brain 3."
    )


def test_errors(rng):
    brain = build_brain(rng)
    with pytest.raises(UnknownNameError, match=r"no comparator named 'rho'. Closest: 'rho-a'"):
        compute_rdm_ceilings(brain, comparator="rho")
    brain[0, 0, 2:] = brain[0, 0, :, 2:] = np.nan
    with pytest.raises(InputError, match="fewer than 3 numbers: 'IT, A'"):
        compute_rdm_ceilings(brain)


def test_ops_that_lack_pairs_can_exceed_the_ceiling(rng):
    """Their scores are of other pairs than the ceiling is."""
    brain = label_squares([draw_square(rng, 8) for _ in "AB"], subject=["A", "B"])
    model = label_squares([draw_square(rng, 8) for _ in "ab"], op=["a", "b"])
    whole = compare_rdms(model, brain, n_bootstrap=0, n_splits=0)
    assert whole.attrs["ceiling_bound"] == "exact"
    assert "No model can exceed the upper ceiling" in whole.attrs["methods_text"]
    model[0, :5] = np.nan
    model[0, :, :5] = np.nan
    with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of 'op a'"):
        some = compare_rdms(model, brain, n_bootstrap=0, n_splits=0)
    assert some.attrs["ceiling_bound"] == "expected"
    assert "some ops lack pairs. The upper ceiling is an estimate" in some.attrs["methods_text"]
