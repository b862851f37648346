import numpy as np
import pytest
import xarray as xr
from brains import label_responses
from squares import draw_square, label_squares

from neurolens.compare import (
    compare_rdms,
    compute_ncsnr,
    compute_rdm_ceilings,
    compute_split_half,
    fit_encoding,
    normalize_scores,
)
from neurolens.errors import InputError, LabelError

SIGNAL = np.array([0.0, 0.5, 1.0, 2.0])


def simulate(rng, n=400, repeats=3, signal=SIGNAL) -> xr.DataArray:
    """Return responses of 4 neuroids with noise of variance 1 and signal of the given deviation."""
    truth = signal * rng.normal(size=(n, 4))
    counts = np.broadcast_to(repeats, n)
    codes = np.repeat(np.arange(n), counts)
    return xr.DataArray(
        truth[codes] + rng.normal(size=(len(codes), 4)),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", [f"s{k}" for k in codes]),
            "neuroid_id": ("neuroid", list("abcd")),
            "region": ("neuroid", ["V1", "V1", "IT", "IT"]),
        },
    ).isel(presentation=rng.permutation(len(codes)))


def analyze_variance(column, ids, n_needed=2) -> float:
    """Return ncsnr of one neuroid by loops over stimuli, without what is NaN."""
    groups = [column[(ids == i) & ~np.isnan(column)] for i in dict.fromkeys(ids.tolist())]
    groups = [group for group in groups if len(group) >= n_needed]
    counts = [len(group) for group in groups]
    total, n_groups = sum(counts), len(groups)
    mean = sum(group.sum() for group in groups) / total
    between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups) / (n_groups - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (total - n_groups)
    n_each = (total - sum(n**2 for n in counts) / total) / (n_groups - 1)
    return np.sqrt(max(between - within, 0) / n_each / within)


class TestNcsnr:
    @pytest.mark.parametrize("repeats", [3, np.resize([1, 2, 5], 12)])
    @pytest.mark.parametrize("offset", [0, 1e6])
    def test_loop(self, rng, repeats, offset):
        responses = simulate(rng, n=12, repeats=repeats) + offset
        found = compute_ncsnr(responses)
        for k, column in enumerate(responses.values.T):
            expected = analyze_variance(column, responses.stimulus_id.values)
            assert found.values[k] == pytest.approx(expected, rel=1e-5)
        assert found.attrs["kind"] == "ncsnr"
        assert found.attrs["n_repeats"] == 1
        assert found.region.values.tolist() == ["V1", "V1", "IT", "IT"]

    def test_few_stimuli(self, rng):
        """The mean of ncsnr^2 over many neuroids is the planted one, also of 8 stimuli.

        The total variance less that of noise would give .26.
        """
        signal = np.sqrt(0.3) * rng.normal(size=(8, 4000))
        values = np.tile(signal, (12, 1)) + rng.normal(size=(96, 4000))
        ids = [f"s{k}" for k in range(8)] * 12
        responses = label_responses(values, ids=ids)
        assert float((compute_ncsnr(responses) ** 2).mean()) == pytest.approx(0.3, abs=0.01)
        uneven = responses.isel(presentation=rng.permutation(96)[:40])
        assert float((compute_ncsnr(uneven) ** 2).mean()) == pytest.approx(0.3, abs=0.04)

    def test_presentations_that_were_not_recorded(self, rng):
        """Each neuroid is analyzed by the presentations that it has; others stay as they are."""
        responses = simulate(rng, n=12, repeats=4)
        whole = compute_ncsnr(responses)
        responses[rng.permutation(48)[:9], 1] = np.nan
        responses[5, 3] = np.nan
        found = compute_ncsnr(responses)
        np.testing.assert_allclose(found[[0, 2]], whole[[0, 2]], rtol=1e-12)
        for k in (1, 3):
            expected = analyze_variance(responses.values[:, k], responses.stimulus_id.values)
            assert found.values[k] == pytest.approx(expected)
        counts = responses.notnull().groupby("stimulus_id").sum()
        np.testing.assert_allclose(
            found.neuroid_repeats, 1 / (1 / counts.where(counts > 1)).mean("stimulus_id")
        )
        assert found.attrs["inverse_repeats"] == pytest.approx(1 / 4, abs=0.01)

    def test_a_neuroid_without_repeats_is_named(self, rng):
        responses = simulate(rng, n=6, repeats=2).sortby("stimulus_id")
        responses[:8:2, 2] = np.nan
        with pytest.warns(RuntimeWarning, match="because fewer than three of their .*: 'c'"):
            found = compute_ncsnr(responses)
        assert np.isnan(found).values.tolist() == [False, False, True, False]

    @pytest.mark.parametrize("repeats", [3, np.resize([1, 2, 5], 400)])
    def test_planted_signal(self, rng, repeats):
        np.testing.assert_allclose(compute_ncsnr(simulate(rng, repeats=repeats)), SIGNAL, atol=0.13)

    def test_uneven_repeats(self, rng):
        found = compute_ncsnr(simulate(rng, repeats=np.resize([1, 2, 4], 399), n=399))
        assert found.attrs["inverse_repeats"] == pytest.approx((1 / 2 + 1 / 4) / 2)
        only = compute_ncsnr(simulate(rng, repeats=np.resize([1, 2, 4], 399), n=399), min_repeats=3)
        assert only.attrs["inverse_repeats"] == pytest.approx(1 / 4)
        assert "133 stimuli with 3 or more" in only.attrs["note"]

    def test_no_repeats_is_nan_and_a_sentence(self, rng):
        found = compute_ncsnr(simulate(rng, n=10, repeats=1))
        assert np.isnan(found.values).all()
        assert found.attrs["note"].startswith(
            "No ceiling: too few stimuli were shown more than once"
        )

    def test_constant_neuroid(self, rng):
        responses = simulate(rng, n=10)
        responses[:, 2] = 7
        with pytest.warns(
            RuntimeWarning, match="no ceiling for 1 neuroids, because they do not vary: 'c'"
        ):
            assert np.isnan(compute_ncsnr(responses).values).tolist() == [False, False, True, False]

    def test_too_few_repeats_and_no_noise(self, rng):
        few = simulate(rng, n=10, repeats=np.where(np.arange(10) < 2, 4, 1))
        found = compute_ncsnr(few)
        assert np.isnan(found.values).all()
        assert found.attrs["note"].startswith("No ceiling")
        responses = simulate(rng, n=10)
        responses[:, 1] = [int(s[1:]) for s in responses.stimulus_id.values]
        with pytest.warns(
            RuntimeWarning, match="because all presentations of a stimulus are alike.*: 'b'"
        ):
            assert np.isnan(compute_ncsnr(responses).values).tolist() == [False, True, False, False]

    def test_differences_between_sessions_are_noise(self, rng):
        """The caller must z-score per session where stimuli are shown in several."""
        responses = simulate(rng)
        session = np.arange(responses.sizes["presentation"]) % 2
        assert (
            compute_ncsnr(responses + 3 * xr.DataArray(session, dims="presentation")).values[1:]
            < 0.7 * SIGNAL[1:]
        ).all()

    def test_differences_between_sessions_are_signal_where_each_has_its_stimuli(self, rng):
        """An offset that follows the stimulus is added to pure noise.

        The result is not 0, and cannot be told from a response.
        """
        responses = simulate(rng, signal=np.zeros(4))
        session = np.array([int(i[1:]) % 2 for i in responses.stimulus_id.values])
        offset = 4 * xr.DataArray(session, dims="presentation")
        # An offset of 0 or 4 has the variance 4.
        np.testing.assert_allclose(compute_ncsnr(responses + offset), 2, atol=0.2)
        assert (compute_ncsnr(responses) < 0.5).all()


class TestSplitHalf:
    @pytest.mark.parametrize("repeats", [2, 3, 4, 5, np.tile([2, 5], 2000)])
    def test_planted_signal(self, rng, repeats):
        found = compute_split_half(
            simulate(rng, n=4000, repeats=repeats).isel(neuroid=slice(1, 4)), n_splits=20
        )
        np.testing.assert_allclose(
            found, SIGNAL[1:] ** 2 / (SIGNAL[1:] ** 2 + np.mean(1 / repeats)), atol=0.04
        )
        assert (found.attrs["kind"], found.attrs["n_repeats"]) == (
            "reliability",
            pytest.approx(1 / np.mean(1 / np.asarray(repeats))),
        )

    def test_presentations_that_were_not_recorded(self, rng):
        """A neuroid that lacks presentations is as if they had never been shown."""
        responses = simulate(rng, n=300, repeats=4, signal=np.full(4, 1.5)).sortby("stimulus_id")
        whole = compute_split_half(responses, n_splits=20)
        holes = np.zeros(1200, dtype=bool)
        holes[:600:4] = True
        holes[1:400:4] = True
        responses[holes, 1] = np.nan
        found = compute_split_half(responses, n_splits=20)
        np.testing.assert_array_equal(found[[0, 2, 3]], whole[[0, 2, 3]])
        alone = compute_split_half(responses[~holes, [1]], n_splits=20)
        assert found[1].item() == pytest.approx(alone.item(), abs=0.01)
        repeats = 300 / (100 / 2 + 50 / 3 + 150 / 4)
        assert found[1].item() == pytest.approx(2.25 / (2.25 + 1 / repeats), abs=0.03)
        np.testing.assert_allclose(found.neuroid_repeats, [4, repeats, 4, 4])
        assert found.attrs["n_repeats"] == 4
        assert alone.attrs["n_repeats"] == pytest.approx(repeats)

    def test_a_single_missing_presentation_by_hand(self, rng):
        """One of two presentations: its stimulus takes no part."""
        responses = simulate(rng, n=9, repeats=2).isel(neuroid=[3]).sortby("stimulus_id")
        responses[4, 0] = np.nan
        without = responses.isel(presentation=[0, 1, 2, 3, *range(6, 18)])
        found = compute_split_half(responses, n_splits=400)
        expected = compute_split_half(without, n_splits=400)
        assert found.item() == pytest.approx(expected.item(), abs=0.01)
        assert found.attrs["n_repeats"] == 2

    def test_two_repeats_by_hand(self, rng):
        responses = simulate(rng, n=9, repeats=2).isel(neuroid=[3])
        # With two repeats each split is a random assignment; one split with the seed's own draws.
        ids = responses.stimulus_id.values
        generator = np.random.default_rng(4)
        halves = np.array(
            [generator.permutation(np.flatnonzero(ids == s)) for s in sorted(set(ids.tolist()))]
        )
        r = np.corrcoef(responses.values[halves[:, 0], 0], responses.values[halves[:, 1], 0])[0, 1]
        found = compute_split_half(responses, n_splits=1, rng=4)
        assert found.item() == pytest.approx(2 * r / (1 + r))

    def test_no_correlation_is_excluded_not_divided_by(self, rng):
        responses = simulate(rng, n=8, repeats=2, signal=np.zeros(4))
        values = responses.values[np.argsort(responses.stimulus_id.values, kind="stable")]
        first = rng.normal(size=(8, 4))
        values[0::2], values[1::2] = first, -first
        responses = responses.sortby("stimulus_id").copy(data=values)
        responses[:, 0] = np.tile(np.arange(8.0).repeat(2), 1)
        with pytest.warns(
            RuntimeWarning,
            match="no ceiling for 3 neuroids, because their halves do not correlate: 'b'",
        ):
            found = compute_split_half(responses, n_splits=40)
        assert found.values[0] == pytest.approx(1)
        assert np.isnan(found.values[1:]).all()

    def test_no_repeats_is_nan_and_a_sentence(self, rng):
        found = compute_split_half(simulate(rng, n=10, repeats=1))
        assert np.isnan(found.values).all()
        assert found.attrs["note"].startswith("No ceiling")

    def test_seed_and_time(self, rng):
        responses = simulate(rng, n=30).isel(neuroid=slice(1, 4))
        timed = xr.concat([responses, 2 * responses], "time_bin")
        found = compute_split_half(timed, rng=3, n_splits=5)
        assert found.dims == ("neuroid", "time_bin")
        np.testing.assert_allclose(found[:, 1], compute_split_half(responses, rng=3, n_splits=5))
        with pytest.raises(InputError, match="n_splits must be a whole number, 1 or more"):
            compute_split_half(responses, n_splits=0)


class TestNormalize:
    def make(self, values, **attrs) -> xr.DataArray:
        return xr.DataArray(np.array(values), dims="neuroid", name="score", attrs=attrs)

    @pytest.mark.parametrize(
        ("kind", "ceiling", "expected"),
        [
            ("r", {"kind": "reliability", "n_repeats": 3}, 0.6 / np.sqrt(0.5)),
            ("r", {"kind": "r2", "n_repeats": 3}, 0.6 / np.sqrt(0.5)),
            ("r", {"kind": "r", "n_repeats": 3}, 0.6 / 0.5),
            ("r", {"kind": "ncsnr", "n_repeats": 1}, 0.6 / np.sqrt(0.25 / (0.25 + 1 / 3))),
            ("r2", {"kind": "reliability", "n_repeats": 3}, 0.6 / 0.5),
            ("r2", {"kind": "r", "n_repeats": 3}, 0.6 / 0.25),
            ("r2", {"kind": "ncsnr", "n_repeats": 1}, 0.6 / (0.25 / (0.25 + 1 / 3))),
        ],
    )
    def test_known_answers(self, kind, ceiling, expected):
        share = normalize_scores(
            self.make([0.6], kind=kind, n_repeats=3), self.make([0.5], **ceiling)
        )
        assert share.item() == pytest.approx(expected)

    def test_true_model_reaches_one(self, rng):
        """Dividing by the reliability itself would give more than 1, by the raw ncsnr any value."""
        responses = simulate(rng, n=2000, repeats=4).isel(neuroid=slice(1, 4))
        truth = responses.groupby("stimulus_id").mean()
        model_rng = np.random.default_rng(0)
        clean = SIGNAL[1:] * model_rng.normal(size=(2000, 3))
        clean = xr.DataArray(clean, dims=("stimulus_id", "neuroid"))
        noisy = clean.values + model_rng.normal(size=(4, 2000, 3)).mean(axis=0)
        assert truth.sizes["stimulus_id"] == 2000
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(clean.values.T, noisy.T, strict=True)]
        scores = self.make(r, kind="r", n_repeats=4)
        for ceiling in (compute_split_half(responses, n_splits=10), compute_ncsnr(responses)):
            np.testing.assert_allclose(
                normalize_scores(scores, ceiling.reset_coords(drop=True)), 1, atol=0.04
            )

    def test_neuroids_are_matched_by_id(self, rng):
        responses = (
            simulate(rng).isel(neuroid=slice(1, 4)).assign_coords(subject=("neuroid", list("ABA")))
        )
        ceiling = compute_ncsnr(responses)
        scores = xr.DataArray(
            rng.random((2, 3)),
            dims=("op", "neuroid"),
            coords={
                "op": ["conv", "relu"],
                "neuroid_id": ceiling.neuroid_id,
                "neuroid_subject": ceiling.subject,
            },
            attrs={"kind": "r", "n_repeats": 3},
        )
        share = normalize_scores(scores, ceiling)
        np.testing.assert_allclose(
            share, scores.values / np.sqrt(ceiling.values**2 / (ceiling.values**2 + 1 / 3))
        )
        xr.testing.assert_identical(
            normalize_scores(scores, compute_ncsnr(responses[:, [2, 0, 1]])), share
        )
        indexed = scores.assign_coords(neuroid=[7, 8, 9])
        np.testing.assert_array_equal(normalize_scores(indexed, ceiling[::-1]), share)
        with pytest.raises(LabelError, match="must hold the same 3 neuroids"):
            normalize_scores(scores, ceiling[:2])
        with pytest.raises(LabelError, match="must both have 'neuroid_id'"):
            normalize_scores(scores, ceiling.drop_vars("neuroid_id"))

    def test_no_ceiling_excludes(self):
        with pytest.warns(RuntimeWarning, match="3 of 3 ceilings are none, 0 or below"):
            share = normalize_scores(
                self.make([0.6, 0.6, 0.6], kind="r", n_repeats=1),
                self.make([0.0, -0.2, np.nan], kind="r2", n_repeats=1),
            )
        assert np.isnan(share.values).all()

    def test_low_ceilings_exclude_where_asked(self):
        scores = self.make([0.2, 0.2, 0.2], kind="r", n_repeats=1)
        ceiling = self.make([0.01, 0.16, 0.64], kind="r2", n_repeats=1)
        share = normalize_scores(scores, ceiling, min_ceiling=0.3)
        np.testing.assert_allclose(share, [np.nan, 0.5, 0.25])
        assert share.attrs["normalization"] == "r / sqrt(NC)"
        assert "1 of 3 ceilings" in share.attrs["normalization_note"]

    @pytest.mark.parametrize("measure", ["r", "r2"])
    @pytest.mark.parametrize("timed", [False, True])
    def test_scores_of_encoding_with_their_ceilings(self, rng, measure, timed):
        """Scores are normalized as returned, over regions and over neuroids.

        The fit has normalized the latter itself as well.
        """
        responses = simulate(rng, n=30, signal=np.full(4, 2.0)).isel(neuroid=slice(1, 4))
        ids = [f"s{k}" for k in range(30)]
        truth = responses.groupby("stimulus_id").mean().sel(stimulus_id=ids).values
        dims = ("stimulus", "feature")
        features = xr.DataArray(
            truth + rng.normal(size=truth.shape), dims=dims, coords={"stimulus": ids}
        )
        if timed:
            responses = xr.concat(
                [responses, responses + rng.normal(size=responses.shape)], "time_bin"
            )
        for ceiling in (compute_ncsnr(responses), compute_split_half(responses, n_splits=3)):
            scores = fit_encoding(features, responses, cv=3, metric=measure, ceiling=ceiling)
            share = normalize_scores(scores[measure], ceiling)
            assert share.dims == scores[measure].dims
            np.testing.assert_allclose(share, scores.normalised)
            assert np.isfinite(share).all()
            bounds = {
                name: normalize_scores(scores[name], ceiling) / scores[name].variable
                for name in ("r", "r2")
            }
            np.testing.assert_allclose(bounds["r"] ** 2, bounds["r2"])
            for name in ("score", "score_mean"):
                whole = normalize_scores(scores[name], scores.ceiling_upper)
                np.testing.assert_allclose(whole, scores[name] / scores.ceiling_upper.variable)
        other = compute_split_half(responses.isel(presentation=slice(60)), n_splits=3)
        with pytest.raises(
            InputError, match=r"scores are of the mean of 3 presentations, ceilings of 2\.1"
        ):
            normalize_scores(scores[measure], other)

    def test_rdm_scores(self, rng):
        shared = draw_square(rng, 8)
        brain = label_squares([shared + draw_square(rng, 8) for _ in "ABC"], subject=list("ABC"))
        model = label_squares(shared[None], op=["a"])
        scores = compare_rdms(model, brain, n_bootstrap=0, n_splits=0)
        share = normalize_scores(scores.score_mean, scores.ceiling_upper)
        assert share.item() == pytest.approx(scores.score_mean.item() / scores.ceiling_upper.item())
        other = compute_rdm_ceilings(brain, comparator="spearman")
        with pytest.raises(
            InputError, match="scores are of measure 'rho-a', ceilings of 'spearman'"
        ):
            normalize_scores(scores.score_mean, other.ceiling_upper)

    def test_refusals(self):
        ceiling = self.make([0.5], kind="reliability", n_repeats=3)
        with pytest.raises(InputError, match="scores must say what they are.*got kind None"):
            normalize_scores(self.make([0.5]), ceiling)
        with pytest.raises(InputError, match="ceilings must say what they are.*got kind 'percent'"):
            normalize_scores(
                self.make([0.5], kind="r", n_repeats=3),
                self.make([50.0], kind="percent", n_repeats=3),
            )
        with pytest.raises(InputError, match="mean of 1 presentations, ceilings of 3"):
            normalize_scores(self.make([0.5], kind="r", n_repeats=1), ceiling)
        scores = self.make([0.5], kind="r", n_repeats=3).assign_coords(neuroid=["a"])
        with pytest.raises(LabelError, match="differ in their labels along 'neuroid'"):
            normalize_scores(scores, ceiling.assign_coords(neuroid=["b"]))


def test_leaving_each_subject_out(rng):
    squares = [draw_square(rng, 7) for _ in "ABC"]
    brain = label_squares([squares, squares], region=["V1", "IT"], subject=list("ABC"))
    brain[1, 0] = np.nan
    found = compute_rdm_ceilings(brain, comparator="pearson")
    assert found.left_out.dims == ("region", "subject")
    assert np.isnan(found.left_out.sel(region="IT", subject="A"))
    np.testing.assert_allclose(found.left_out.mean("subject"), found.ceiling_lower)
    pairs = np.triu_indices(7, 1)
    a, b, c = (s[pairs] for s in squares)
    pool = (b - b.mean()) / b.std() + (c - c.mean()) / c.std()
    assert found.left_out.sel(region="V1", subject="A").item() == pytest.approx(
        np.corrcoef(a, pool)[0, 1]
    )
    assert found.left_out.sel(region="IT", subject="B").item() == pytest.approx(
        np.corrcoef(b, c)[0, 1]
    )
