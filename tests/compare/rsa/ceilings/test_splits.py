import numpy as np
import oracles
import pytest
import xarray as xr

from neurolens.compare import COMPARATORS, compare_rdms, compute_rdms, compute_split_ceilings
from neurolens.errors import InputError, UnknownNameError

IDS = [f"s{i}" for i in range(10)]


def label_responses(values, ids, **columns):
    """Return ``values`` (presentation, neuroid) with ``ids`` and other labels of presentations."""
    coords = {"stimulus_id": ("presentation", list(ids))}
    for name, column in columns.items():
        dim = "neuroid" if name in ("region", "subject") else "presentation"
        coords[name] = (dim, list(column))
    return xr.DataArray(np.asarray(values), dims=("presentation", "neuroid"), coords=coords)


def draw_responses(rng, n_repeats=4, noise=1.0, n=10, p=30, **columns):
    """Return presentations of ``n`` stimuli along five patterns, one repetition after another."""
    signal = rng.normal(size=(n, 5)) @ rng.normal(size=(5, p))
    rows = [signal + noise * rng.normal(size=(n, p)) for _ in range(n_repeats)]
    return label_responses(np.concatenate(rows), IDS[:n] * n_repeats, **columns)


def brown(r, times):
    return times * r / (1 + (times - 1) * r)


@pytest.mark.parametrize("comparator", ["rho-a", "spearman", "pearson", "cosine"])
def test_two_presentations_have_one_split(rng, comparator):
    """Whichever presentation of a stimulus is in which half, the halves are worked out by hand."""
    responses = draw_responses(rng, 2, run=np.repeat([3, 7], 10))
    found = compute_split_ceilings(responses, comparator=comparator, n_splits=3)
    halves = [oracles.triangle(oracles.rdm(part, "correlation")) for part in np.split(responses, 2)]
    r = oracles.SIMILARITIES[comparator](*halves)
    assert found.half_similarity.item() == pytest.approx(r)
    assert found.ceiling_lower.item() == pytest.approx(2 * r / (1 + r))
    assert found.ceiling_upper.item() == pytest.approx(np.sqrt(2 * r / (1 + r)))
    assert found.ceiling_lower.dims == ("region",)
    assert found.subject_upper.dims == ("region", "subject")
    assert found.attrs["measure"] == comparator
    assert found.attrs["ceiling_bound"] == "expected"
    assert "halves of the values of 'run'" in found.attrs["ceiling_note"]
    kind = {"kind": "r", "n_repeats": "as in the RDMs", "measure": comparator}
    assert found.ceiling_upper.attrs == kind


def test_the_true_rdm_scores_the_upper_and_a_second_measurement_the_lower_ceiling(rng):
    upper, truth, lower, second = [], [], [], []
    quick = {"n_bootstrap": 0, "n_splits": 0}
    for _ in range(30):
        signal = rng.normal(size=(10, 5)) @ rng.normal(size=(5, 30))
        one, other = (
            label_responses(
                np.concatenate([signal + 1.5 * rng.normal(size=(10, 30)) for _ in range(4)]),
                IDS * 4,
            )
            for _ in range(2)
        )
        model = xr.DataArray(signal, dims=("stimulus", "feature"), coords={"stimulus": IDS})
        measured = compute_rdms(one)
        ceilings = compute_split_ceilings(one, n_splits=6)
        upper.append(ceilings.ceiling_upper.item())
        lower.append(ceilings.ceiling_lower.item())
        truth.append(compare_rdms(compute_rdms(model), measured, **quick).score.item())
        second.append(compare_rdms(compute_rdms(other), measured, **quick).score.item())
    assert np.mean(upper) == pytest.approx(np.mean(truth), abs=0.02)
    assert np.mean(lower) == pytest.approx(np.mean(second), abs=0.03)
    assert np.mean(lower) < np.mean(upper) - 0.02


def test_runs_stay_together_because_they_share_noise(rng):
    """A pattern that the stimuli of a run share to different degrees is noise, not signal."""
    shared = [np.outer(rng.normal(size=10), rng.normal(size=30)) for _ in range(6)]
    signal = 1.5 * rng.normal(size=(10, 3)) @ rng.normal(size=(3, 30))
    noisy = [signal + 3 * part + rng.normal(size=(10, 30)) for part in shared]
    values = np.concatenate(noisy)
    responses = label_responses(values, IDS * 6, session=np.repeat(range(6), 10))
    apart = compute_split_ceilings(responses, metric="euclidean", n_splits=5, runs="session")
    mixed = compute_split_ceilings(responses, metric="euclidean", n_splits=5)
    assert "halves of the values of 'session'" in apart.attrs["ceiling_note"]
    assert "halves of the presentations of each stimulus" in mixed.attrs["ceiling_note"]
    assert mixed.half_similarity.item() > apart.half_similarity.item() + 0.03
    as_run = compute_split_ceilings(responses.rename(session="run"), metric="euclidean", n_splits=5)
    assert as_run.half_similarity.item() == apart.half_similarity.item()
    renamed = responses.assign_coords(session=("presentation", np.repeat(list("abcdef"), 10)))
    again = compute_split_ceilings(renamed, metric="euclidean", n_splits=5, runs="session")
    assert again.half_similarity.item() == apart.half_similarity.item()


@pytest.mark.parametrize("n_repeats", [3, 5])
def test_an_odd_presentation_is_left_out_and_made_up_for(rng, n_repeats):
    found = compute_split_ceilings(draw_responses(rng, n_repeats), n_splits=4)
    r = found.half_similarity.item()
    times = n_repeats / (n_repeats // 2)
    assert found.ceiling_lower.item() == pytest.approx(brown(r, times))
    assert f"({times:.3g} times those of a half)" in found.attrs["ceiling_note"]


def test_stimuli_that_both_halves_lack_are_left_out(rng):
    """Stimulus s9 was shown once: only its distances are not in the RDMs of the halves."""
    responses = draw_responses(rng, 2)
    ids = responses.stimulus_id.values
    once = responses.isel(presentation=np.arange(20) != 19)
    without = responses.isel(presentation=ids != "s9")
    found = compute_split_ceilings(once, n_splits=1)
    expected = compute_split_ceilings(without, n_splits=1)
    assert found.half_similarity.item() == pytest.approx(expected.half_similarity.item())
    assert found.ceiling_lower.item() == pytest.approx(expected.ceiling_lower.item())


def test_splits_belong_to_the_stimuli_and_not_to_their_order(rng):
    responses = draw_responses(rng, 4)
    first = compute_split_ceilings(responses, n_splits=3, rng=5)
    # Other stimuli come first; the presentations of each stay in order.
    order = np.concatenate([np.flatnonzero(responses.stimulus_id == one) for one in IDS[::-1]])
    second = compute_split_ceilings(responses.isel(presentation=order), n_splits=3, rng=5)
    xr.testing.assert_allclose(first, second)
    other = compute_split_ceilings(responses, n_splits=3, rng=6)
    assert other.half_similarity.item() != first.half_similarity.item()


def test_regions_subjects_and_times_have_their_own(rng):
    parts = {}
    for region, subject in (("V1", "A"), ("IT", "A"), ("V1", "B")):
        parts[region, subject] = draw_responses(rng, 4, p=20)
    labels = {
        "region": [region for region, _ in parts for _ in range(20)],
        "subject": [subject for _, subject in parts for _ in range(20)],
    }
    values = np.concatenate([part.values for part in parts.values()], axis=1)
    responses = label_responses(values, IDS * 4, **labels)
    found = compute_split_ceilings(responses, n_splits=3)
    for (region, subject), part in parts.items():
        alone = compute_split_ceilings(part, n_splits=3)
        here = found.sel(region=region, subject=subject)
        assert here.subject_upper.item() == pytest.approx(alone.ceiling_upper.item())
    both = found.subject_upper.sel(region="V1").values
    assert found.ceiling_upper.sel(region="V1").item() == pytest.approx(both.mean())
    assert found.ceiling_upper.sel(region="IT").item() == pytest.approx(
        found.subject_upper.sel(region="IT", subject="A").item()
    )
    assert np.isnan(found.subject_upper.sel(region="IT", subject="B").item())
    timed = xr.concat([responses, responses * 2 + 1], "time_bin").assign_coords(time_bin=[0.1, 0.2])
    over_time = compute_split_ceilings(timed.transpose(..., "time_bin"), n_splits=3)
    assert over_time.ceiling_upper.dims == ("region", "time_bin")
    np.testing.assert_allclose(over_time.ceiling_upper.sel(time_bin=0.2), found.ceiling_upper)


@pytest.mark.parametrize("metric", ["mahalanobis", "crossnobis"])
def test_metrics_of_noise_need_noise_in_each_half(rng, metric):
    """Halves of six repetitions hold three, those of two hold one."""
    labels = {"repetition": np.repeat(range(6), 10)}
    found = compute_split_ceilings(
        draw_responses(rng, 6, noise=0.3, **labels), metric=metric, n_splits=2
    )
    assert 0 < found.ceiling_lower.item() < found.ceiling_upper.item() < 1
    assert "'repetition'" in found.attrs["ceiling_note"]
    assert f"{metric} RDM" in found.attrs["ceiling_note"]
    few = draw_responses(rng, 2, repetition=np.repeat(range(2), 10))
    with pytest.raises(InputError, match="a half of the presentations has no RDM: metric"):
        compute_split_ceilings(few, metric=metric, n_splits=2)


def test_noise_has_no_ceiling(rng):
    """RDMs whose halves are opposite hold nothing that repeats."""
    first = rng.normal(size=(10, 6))
    rows = [first, np.linalg.qr(rng.normal(size=(10, 10)))[0] @ first]
    for seed in range(50):
        rows[1] = np.random.default_rng(seed).normal(size=(10, 6))
        halves = [oracles.triangle(oracles.rdm(part, "correlation")) for part in rows]
        if oracles.spearman(*halves) < -0.1:
            break
    responses = label_responses(np.concatenate(rows), IDS * 2, run=np.repeat([1, 2], 10))
    with pytest.warns(
        RuntimeWarning, match=r"no ceiling for 'brain, group': .* not similar \(r <= 0\)"
    ):
        found = compute_split_ceilings(responses, n_splits=1)
    assert np.isnan(found.ceiling_upper.item())
    assert found.half_similarity.item() < 0


def test_halves_that_are_hardly_similar_are_told(rng):
    responses = draw_responses(rng, 2, noise=4.0, p=60, run=np.repeat([1, 2], 10))
    found = compute_split_ceilings(responses, n_splits=1)
    assert 0 < found.half_similarity.item() < 0.3
    assert "hardly similar (r < 0.3): 'brain, group'." in found.attrs["ceiling_note"]


@pytest.mark.parametrize("comparator", ["tau-a", "bures"])
def test_comparators_without_a_formula_are_refused(rng, comparator):
    with pytest.raises(InputError, match=f"no ceiling for '{comparator}'.*comparator='rho-a'"):
        compute_split_ceilings(draw_responses(rng), comparator=comparator)
    assert not COMPARATORS[comparator].has_reliability


def test_errors(rng):
    responses = draw_responses(rng, 2)
    means = responses.groupby("stimulus_id").mean().rename(stimulus_id="stimulus")
    with pytest.raises(InputError, match=r"responses hold each stimulus once.*before averaging"):
        compute_split_ceilings(means)
    with pytest.raises(InputError, match="responses hold each stimulus once"):
        compute_split_ceilings(responses.isel(presentation=slice(10)))
    few = responses.isel(presentation=slice(13))
    with pytest.raises(InputError, match="4 stimuli or more that were presented twice"):
        compute_split_ceilings(few)
    apart = responses.assign_coords(run=("presentation", [int(name[1]) for name in IDS] * 2))
    with pytest.raises(InputError, match=r"'run' shares 4 stimuli.*drop_vars\('run'\)"):
        compute_split_ceilings(apart)
    with pytest.raises(UnknownNameError, match="no coordinate on presentation named 'runs'"):
        compute_split_ceilings(apart, runs="runs")
    with pytest.raises(UnknownNameError, match="no metric named 'correlations'"):
        compute_split_ceilings(responses, metric="correlations")
    with pytest.raises(InputError, match="n_splits"):
        compute_split_ceilings(responses, n_splits=0)
    with pytest.raises(InputError, match="responses must be"):
        compute_split_ceilings(responses.values)
