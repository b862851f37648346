import itertools

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from scores import make_scores
from squares import label_squares, measure_square

from neurolens.compare import (
    add_ceilings,
    assign_regions,
    bootstrap_rdms,
    compare_choices,
    compare_ops,
    compare_rdms,
    compute_rdm_ceilings,
    fit_encoding,
)
from neurolens.errors import InputError, LabelError
from neurolens.scores import Intervals

DRAWN = {"n_bootstrap": 60, "n_splits": 3}
N = 16


def build_brain(rng, n_subjects=3) -> tuple[np.ndarray, xr.DataArray]:
    """Return what the brain reads, (stimulus, feature), and RDMs of V1 and IT that read it."""
    points = rng.normal(size=(N, 5))
    sides = [
        [measure_square(rng, points, rng.normal(size=(5, 9)), 0.7) for _ in range(n_subjects)]
        for _ in range(2)
    ]
    names = [f"S{k}" for k in range(n_subjects)]
    return points, label_squares(sides, region=["V1", "IT"], subject=names)


def build_network(rng, points, noises) -> xr.DataArray:
    """Return RDMs of one op per entry of ``noises``, how noisily it reads ``points``."""
    squares = [measure_square(rng, points, np.eye(5), noise) for noise in noises]
    return label_squares(squares, op=[f"op{k}" for k in range(len(noises))])


@pytest.fixture
def sides(rng) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:
    """Return the RDMs of a good network and of a worse one, each with the brain's."""
    points, brain = build_brain(rng)
    good = build_network(rng, points, [0.5, 0.6, 2.0])
    worse = build_network(rng, points, [1.5, 1.4])
    return {"good": (good, brain), "worse": (worse, brain)}


def score(sides, **settings) -> dict[str, xr.Dataset]:
    return {name: compare_rdms(*side, **(DRAWN | settings)) for name, side in sides.items()}


def pair_by_hand(first, second, region) -> list[tuple[str, str]]:
    """Return the ops that both choose, on each half of each split."""
    pairs = []
    for split, half in itertools.product(range(first.sizes["split"]), "ab"):
        here = [
            one.split_score.isel(split=split).sel(half=half, region=region).idxmax("op").item()
            for one in (first, second)
        ]
        pairs.append(tuple(here))
    return pairs


def test_difference_by_hand(sides):
    """Its variance is the mean over halves of that between the ops chosen there."""
    scores = score(sides)
    first, second = scores.values()
    found = compare_choices(scores)
    chosen = {name: assign_regions(one).heldout_mean for name, one in scores.items()}
    seen = set()
    for region in ("V1", "IT"):
        variances = []
        for a, b in pair_by_hand(first, second, region):
            draws = [
                one.bootstrap_mean.sel(op=op, region=region).values.astype(float)
                for one, op in ((first, a), (second, b))
            ]
            variances.append(np.var(draws[0] - draws[1], ddof=1) * N / (N - 1))
            seen.add((a, b))
        error = np.sqrt(np.mean(variances))
        here = found.sel(network="good", network_2="worse", region=region)
        gap = float((chosen["good"] - chosen["worse"]).sel(region=region))
        assert float(here.difference) == pytest.approx(gap)
        reach = scipy.stats.t.ppf(0.975, N - 1) * error
        assert float(here.ci_low) == pytest.approx(gap - reach)
        assert float(here.ci_high) == pytest.approx(gap + reach)
        assert float(here.p) == pytest.approx(2 * scipy.stats.t.sf(gap / error, N - 1))
    assert len(seen) > 1
    assert found.paired.all()
    q = scipy.stats.false_discovery_control(found.p.sel(network="good", network_2="worse"))
    np.testing.assert_allclose(found.q.sel(network="worse", network_2="good"), q)


def test_one_op_each_is_compared_as_by_compare_ops(sides):
    """Where there is no choice, the test is that of two ops fixed in advance."""
    single = {
        name: (model.isel(op=[0]).assign_coords(op=[name]), brain)
        for name, (model, brain) in sides.items()
    }
    found = compare_choices(score(single)).sel(network="good", network_2="worse")
    both = xr.concat([model for model, _ in single.values()], "op")
    brain = single["good"][1]
    apart = compare_ops(compare_rdms(both, brain, **DRAWN)).sel(op="good", op_2="worse")
    np.testing.assert_allclose(
        found.ci_high - found.ci_low, apart.ci_high - apart.ci_low, rtol=1e-6
    )
    wide = compare_choices(score(single), rdms=single).sel(network="good", network_2="worse")
    apart = compare_ops(bootstrap_rdms(both, brain, n_bootstrap=60))
    apart = apart.sel(op="good", op_2="worse")
    np.testing.assert_allclose(wide.ci_high - wide.ci_low, apart.ci_high - apart.ci_low)
    assert wide.interval_over == "stimuli and subjects"
    assert wide.paired.all()


def test_antisymmetric(sides):
    found = compare_choices(score(sides))
    np.testing.assert_array_equal(found.difference.values, -turned_values(found, "difference"))
    np.testing.assert_array_equal(found.ci_low.values, -turned_values(found, "ci_high"))
    np.testing.assert_array_equal(found.p.values, turned_values(found, "p"))
    same = found.isel(network=0, network_2=0)
    assert (same.difference == 0).all()
    assert same.p.isnull().all()
    assert same.ci_low.isnull().all()


def turned_values(found, name) -> np.ndarray:
    return np.swapaxes(found[name].values, 0, 1)


def test_the_same_network_does_not_differ_from_itself(sides):
    scores = score(sides)["good"]
    found = compare_choices({"a": scores, "b": scores}).isel(network=0, network_2=1)
    assert (found.difference == 0).all()
    assert (found.ci_low == 0).all()
    assert (found.ci_high == 0).all()
    assert found.p.isnull().all()


def test_pairing_is_by_draws_and_not_by_the_order_of_stimuli(sides, rng):
    scores = score(sides)
    order = rng.permutation(N)
    moved = [one.isel(stimulus=order, stimulus_2=order) for one in sides["worse"]]
    moved = compare_rdms(*moved, **DRAWN)
    again = compare_choices(scores | {"worse": moved.isel(region=[1, 0])})
    xr.testing.assert_allclose(again, compare_choices(scores), rtol=1e-6)
    assert again.paired.all()


@pytest.mark.parametrize("other", [{"rng": 1}, {"n_bootstrap": 50}, {"n_splits": 4}])
def test_without_the_same_draws_the_interval_is_the_widest(sides, other):
    scores = {"good": score(sides)["good"], "worse": score(sides, **other)["worse"]}
    found = compare_choices(scores).sel(network="good", network_2="worse")
    assert not found.paired
    assert "Not paired by stimuli, and wider for it: 'good and worse'" in found.difference_note
    assert "Make scores with the same rng, n_splits and n_bootstrap." in found.difference_note
    reach = [
        assign_regions(one).heldout_ci_high - assign_regions(one).heldout_mean
        for one in scores.values()
    ]
    np.testing.assert_allclose(found.ci_high - found.difference, reach[0] + reach[1])
    paired = compare_choices(score(sides)).sel(network="good", network_2="worse")
    assert "paired by stimuli." in paired.difference_note
    assert (paired.ci_high - paired.ci_low < found.ci_high - found.ci_low).all()


def test_draws_that_were_left_out_since_are_not_paired(sides):
    scores = score(sides)
    scores["worse"] = scores["worse"].isel(bootstrap=slice(1, None))
    assert not compare_choices(scores).paired[0, 1]
    half = {
        name: one.isel(bootstrap=slice(k, k + 30)) for k, (name, one) in enumerate(scores.items())
    }
    assert not compare_choices(half).paired[0, 1]
    bare = {name: one.drop_vars("split_member") for name, one in score(sides).items()}
    assert not compare_choices(bare).paired[0, 1]
    unknown = score(sides)
    del unknown["good"].attrs["draws_sha256"]
    del unknown["worse"].attrs["draws_sha256"]
    assert not compare_choices(unknown).paired[0, 1]


def test_scores_of_a_file_are_paired(sides, tmp_path):
    scores = score(sides)
    for name, one in scores.items():
        one.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    read = {name: xr.load_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") for name in scores}
    xr.testing.assert_identical(compare_choices(read), compare_choices(scores))


def test_without_draws_there_is_no_interval(sides):
    found = compare_choices(score(sides, n_bootstrap=0)).isel(network=0, network_2=1)
    assert found.difference.notnull().all()
    for name in ("ci_low", "ci_high", "p", "q"):
        assert found[name].isnull().all()
    assert found.interval_over == ""
    assert found.interval_kind == "none"
    assert "no intervals: scores hold no draws" in found.difference_note


def test_region_without_scores(sides):
    scores = score(sides)
    for name in ("score", "split_score", "score_mean", "bootstrap_mean"):
        scores["worse"][name].loc[{"region": "V1"}] = np.nan
    with pytest.warns(RuntimeWarning, match=r"no op could be chosen, .* in: 'V1'"):
        found = compare_choices(scores).isel(network=0, network_2=1)
    for name in ("difference", "ci_low", "ci_high", "p", "q"):
        assert found[name].isnull().values.tolist() == [True, False]
    assert found.p[1] == found.q[1]


def fit_networks(rng, **settings):
    """Return encoding scores of two networks with the same responses."""
    ids = [f"s{k}" for k in range(36)]
    points = rng.normal(size=(36, 4))
    coords = {"stimulus": ids, "region": ("neuroid", ["V1", "V1", "IT", "IT"])}
    responses = xr.DataArray(
        points + rng.normal(size=points.shape), dims=("stimulus", "neuroid"), coords=coords
    )
    fits = {}
    for name, noise in (("a", 0.5), ("b", 0.9)):
        features = xr.DataArray(
            points + noise * rng.normal(size=points.shape),
            dims=("stimulus", "feature"),
            coords={"stimulus": ids},
        )
        fits[name] = fit_encoding(features, responses, cv=3, **({"n_splits": 6} | settings))
    return fits


@pytest.mark.filterwarnings("ignore:the best penalty ends the grid:RuntimeWarning")
def test_encoding_by_hand(rng):
    fits = fit_networks(rng)
    found = compare_choices(fits).sel(network="a", network_2="b")
    gap = fits["a"].split_score[:, :, 0] - fits["b"].split_score[:, :, 0].values
    np.testing.assert_allclose(found.difference, gap.mean(("split", "half")))
    variance = ((gap[:, 0] - gap[:, 1]).values ** 2 / 4).mean(axis=0)
    freedom = 1 / (1 / 6 + 1 / 33)
    p = 2 * scipy.stats.t.sf(np.abs(found.difference) / np.sqrt(variance), freedom)
    np.testing.assert_allclose(found.p, p)
    assert found.paired
    assert found.interval_kind == "t interval of halves"
    other = fits | {"b": fit_networks(rng, n_splits=5)["b"]}
    assert not compare_choices(other).paired[0, 1]


@pytest.mark.filterwarnings("ignore:the best penalty ends the grid:RuntimeWarning")
def test_networks_that_cannot_be_compared_are_refused(sides, rng):
    scores = score(sides)
    good = scores["good"]

    def refuse(other, error, match):
        with pytest.raises(error, match=match):
            compare_choices({"good": good, "worse": other})

    refuse(fit_networks(rng)["a"], InputError, "with the method 'rsa', got 'encoding'")
    pearson = compare_rdms(*sides["worse"], comparator="pearson", **DRAWN)
    refuse(pearson, InputError, "with the measure 'rho-a', got 'pearson'")
    refuse(scores["worse"].drop_vars("split_score"), InputError, "compare_choices chooses and")
    refuse(
        scores["worse"].sel(region=["V1"]), LabelError, "must hold the same 2 ids along 'region'"
    )
    model, brain = sides["worse"]
    few = compare_rdms(model, brain.isel(subject=[0, 1]), **DRAWN)
    refuse(few, LabelError, "scores of 'worse' and scores of 'good' must hold the same 3 ids")
    holed = brain.copy()
    holed[1, 2] = np.nan
    refuse(compare_rdms(model, holed, **DRAWN), LabelError, "of the same subjects .* not in 'IT'")
    kept = {"stimulus": slice(1, None), "stimulus_2": slice(1, None)}
    fewer = compare_rdms(model.isel(kept), brain.isel(kept), **DRAWN)
    refuse(fewer, LabelError, "must hold the same 16 ids along 'stimulus'")
    other = compare_rdms(model, build_brain(rng)[1], **DRAWN)
    refuse(other, InputError, "different noise ceilings in 'V1', 'IT', so they are of other brain")
    by = xr.DataArray(np.arange(N) // 2, dims="stimulus", coords={"stimulus": model.stimulus})
    grouped = compare_rdms(model, brain, by=by, **DRAWN)
    refuse(grouped, InputError, "are over groups of stimuli, those of .* over stimuli. Make both")
    # Ceilings of another kind say nothing about the brain data.
    ceilings = compute_rdm_ceilings(brain)
    ceilings.attrs["ceiling_note"] = "Of repeats."
    ceilings["ceiling_upper"] = ceilings["ceiling_upper"] / 2
    compare_choices({"good": good, "worse": add_ceilings(scores["worse"], ceilings)})


@pytest.mark.parametrize("wrong", [None, 3, [1, 2], {}, xr.Dataset()])
def test_anything_but_named_networks_is_refused(wrong):
    with pytest.raises(InputError, match="compare_choices takes the scores of two networks"):
        compare_choices(wrong)


def test_rdms_of_networks(sides):
    scores = score(sides)
    with pytest.raises(InputError, match=r"of each network by name, of 'good', 'worse'"):
        compare_choices(scores, rdms={"good": sides["good"]})
    with pytest.raises(InputError, match=r"of each network by name"):
        compare_choices(scores, rdms=sides["good"])
    found = compare_choices(scores, rdms=sides).isel(network=0, network_2=1)
    assert found.paired
    alone = compare_choices(scores).isel(network=0, network_2=1)
    np.testing.assert_array_equal(found.difference, alone.difference)
    assert (found.ci_low < alone.ci_low).all()


def test_attributes_are_those_that_networks_share(sides):
    scores = score(sides)
    scores["worse"].attrs["label"] = "random weights"
    found = compare_choices(scores)
    assert found.attrs["method"] == "rsa"
    assert "label" not in found.attrs
    assert found.attrs["interval_kind"] == "t interval of draws"
    assert found.attrs["methods_text"].endswith("P values two-sided, paired by stimuli.")


def test_scores_made_by_hand_are_not_paired(rng):
    """Nothing says that their draws are of the same stimuli."""
    values = [[0.4, 0.5], [0.2, 0.1]]
    made = {}
    for name in "ab":
        variables = {
            "split_score": xr.DataArray(
                rng.random((2, 2, 2, 2)),
                dims=("split", "half", "op", "region"),
                coords={"half": ["a", "b"], "op": ["x", "y"], "region": ["V1", "IT"]},
            ),
            "bootstrap_mean": (("bootstrap", "op", "region"), rng.random((20, 2, 2))),
        }
        made[name] = make_scores(
            values,
            labels={"ops": "xy"},
            variables=variables,
            intervals=Intervals("any", "stimuli", 0.9),
        )
    found = compare_choices(made)
    assert not found.paired[0, 1]
    assert found.interval_level == 0.9


@pytest.mark.slow
def test_equal_networks_are_seldom_told_apart_and_different_ones_often(rng):
    """Two networks of three ops read the brain equally well; a third one reads it worse."""
    n_found, n_inside, n_different = 0, 0, 0
    for k in range(40):
        points, brain = build_brain(rng, 2)
        brain = brain.isel(region=[0])
        noises = {"a": [0.5, 1.5, 3.0], "b": [3.0, 0.5, 1.5], "c": [2.0, 3.0, 3.0]}
        scores = {
            name: compare_rdms(build_network(rng, points, one), brain, rng=k, **DRAWN)
            for name, one in noises.items()
        }
        found = compare_choices(scores).isel(region=0)
        equal = found.sel(network="a", network_2="b")
        n_found += bool(equal.p <= 0.05)
        n_inside += bool(equal.ci_low <= 0 <= equal.ci_high)
        n_different += bool(found.p.sel(network="a", network_2="c") <= 0.05)
    # A test at its level finds 7 of 40 or fewer in 99.9 % of such samples.
    assert n_found <= 7
    assert n_inside >= 33
    assert n_different >= 20
