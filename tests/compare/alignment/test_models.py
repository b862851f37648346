import numpy as np
import oracles
import pytest
import scipy.linalg
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.linear_model import LinearRegression, Ridge
from squares import draw_square, label_squares

from neurolens.compare import (
    ALIGNMENTS,
    COMPARATORS,
    compare_grams,
    compare_models,
    compare_rdms,
    compute_grams,
    compute_spectrum,
)
from neurolens.compare.alignment.measures import PENALTIES, align_grams
from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.support import progress

# The root of a rounding error: eigenvalues that should be 0.
EPS = np.finfo(np.float64).eps
ATOL = 1e-6


def build_grams(features: dict, ids=None) -> xr.Dataset:
    arrays = list(features.values())
    ids = ids or [f"s{i}" for i in range(len(arrays[0]))]
    return xr.Dataset(
        {"gram": (("op", "stimulus", "stimulus_2"), np.stack([x @ x.T for x in arrays]))},
        coords={"op": list(features), "stimulus": ids, "stimulus_2": ids},
    )


def score(x, y, name) -> float:
    return compare_models(build_grams({"a": x}), build_grams({"b": y}), comparator=name).item()


@pytest.fixture
def pair(rng) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(20, 6)) + 3
    return x, x[:, :4] @ rng.normal(size=(4, 5)) + rng.normal(size=(20, 5))


class TestOracles:
    def test_cka(self, pair):
        x, y = pair
        a, b = x - x.mean(axis=0), y - y.mean(axis=0)
        expected = (
            np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
        )  # Kornblith et al., eq. 4, on features
        assert score(x, y, "cka") == pytest.approx(expected, abs=1e-12)

    def test_unbiased_cka_is_the_formula_of_song(self, pair):
        assert score(*pair, "cka-unbiased") == pytest.approx(
            oracles.unbiased_cka(*(x @ x.T for x in pair)), abs=1e-12
        )

    def test_procrustes(self, pair):
        a, b = (x - x.mean(axis=0) for x in pair)
        a, b = (
            np.pad(a, ((0, 0), (0, 0))) / np.linalg.norm(a),
            np.pad(b, ((0, 0), (0, 1))) / np.linalg.norm(b),
        )
        rotation, overlap = scipy.linalg.orthogonal_procrustes(a, b)
        assert score(*pair, "procrustes") == pytest.approx(overlap, abs=ATOL)
        distance = np.linalg.norm(a @ rotation - b)
        assert score(*pair, "procrustes") == pytest.approx(1 - distance**2 / 2, abs=ATOL)

    def test_canonical_correlations(self, pair):
        a, b = (x - x.mean(axis=0) for x in pair)
        expected = np.cos(scipy.linalg.subspace_angles(a, b)).mean()
        assert score(*pair, "cca") == pytest.approx(expected, abs=ATOL)
        parts = []
        for x in (a, b):
            left, values, _ = np.linalg.svd(x, full_matrices=False)
            count = 1 + int(np.flatnonzero(np.cumsum(values**2) >= 0.99 * (values**2).sum())[0])
            parts.append(left[:, :count])
        assert score(*pair, "svcca") == pytest.approx(
            np.cos(scipy.linalg.subspace_angles(*parts)).mean(), abs=ATOL
        )

    def test_weighted_canonical_correlations(self, pair):
        a, b = (x - x.mean(axis=0) for x in pair)
        u, rho, _ = np.linalg.svd(np.linalg.qr(a)[0].T @ np.linalg.qr(b)[0], full_matrices=False)
        canonical = np.linalg.qr(a)[0] @ u
        weight = [sum((h @ column) ** 2 for column in a.T) for h in canonical.T]
        assert score(*pair, "pwcca") == pytest.approx(np.average(rho, weights=weight), abs=ATOL)

    def test_predictivity_leaves_each_stimulus_out(self, pair):
        x, y = pair
        values = np.linalg.eigvalsh((x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T)
        found = []
        for alpha in PENALTIES * values.mean():
            errors, base = 0.0, 0.0
            for i in range(len(x)):
                train = np.arange(len(x)) != i
                # sklearn centres on the training stimuli; the closed form centres on all, so solve
                # that one instead.
                errors += ((y[i] - predict_centred(x, y, train, i, alpha)) ** 2).sum()
                base += ((y[i] - y[train].mean(axis=0)) ** 2).sum()
            found.append(1 - errors / base)
        assert score(x, y, "linear-predictivity") == pytest.approx(max(found), abs=1e-8)

    @pytest.mark.parametrize(("case", "place"), [("hidden", 0), ("noisy", 13), ("against", 24)])
    def test_predictivity_takes_the_best_of_25_penalties(self, rng, case, place):
        """Penalties go from 1e-6 to 1e6 times the mean eigenvalue in half powers of ten.

        Tested are both ends and a penalty between two powers of ten.
        """
        x, noise = rng.normal(size=(24, 2)), rng.normal(size=(24, 3))
        # What y follows has a variance of 1e-6, or is less than the noise; or y is the opposite of
        # what x predicts.
        if case == "hidden":
            y = x[:, 1:] @ np.ones((1, 3))
            x = x * [1, 1e-3]
        elif case == "noisy":
            y = x @ rng.normal(size=(2, 3)) + 2.5 * noise
        else:
            y = noise - x @ np.linalg.lstsq(x, noise, rcond=None)[0]
        unit = np.trace(np.cov(x.T, ddof=0))
        found = oracles.predictivity(x, y, unit * np.logspace(-6, 6, 25))
        assert int(np.argmax(found)) == place
        assert score(x, y, "linear-predictivity") == pytest.approx(found[place], abs=1e-9)

    def test_predictivity_without_penalty_is_linear_regression(self, rng):
        x = rng.normal(size=(30, 3))
        y = x @ rng.normal(size=(3, 4)) + 0.01 * rng.normal(size=(30, 4))
        errors, base = 0.0, 0.0
        for i in range(30):
            train = np.arange(30) != i
            errors += (
                (y[i] - LinearRegression().fit(x[train], y[train]).predict(x[[i]])[0]) ** 2
            ).sum()
            base += ((y[i] - y[train].mean(axis=0)) ** 2).sum()
        assert score(x, y, "linear-predictivity") == pytest.approx(1 - errors / base, abs=1e-5)


def predict_centred(x, y, train, i, alpha):
    """Return ridge's prediction for stimulus i with an unpenalised intercept.

    Features are centred on all stimuli.
    """
    x = x - x.mean(axis=0)
    # An unpenalised intercept is a column of ones with a penalty of (almost) nothing.
    wide = np.column_stack([x, np.full(len(x), 1e6)])
    model = Ridge(alpha=alpha, fit_intercept=False, solver="svd").fit(wide[train], y[train])
    return model.predict(wide[[i]])[0]


class TestLaws:
    @given(
        seed=st.integers(0, 2**32 - 1),
        scale=st.floats(1e-2, 1e2),
        name=st.sampled_from(list(ALIGNMENTS)),
    )
    def test_rotation_scale_and_offset_change_nothing(self, seed, scale, name):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 4))
        moved = scale * x @ ortho_group.rvs(5, random_state=rng) + rng.normal(size=5)
        assert score(moved, y, name) == pytest.approx(score(x, y, name), abs=1e-5)

    @given(
        seed=st.integers(0, 2**32 - 1),
        name=st.sampled_from(["cka", "cka-unbiased", "procrustes", "cca", "svcca"]),
    )
    def test_itself_is_one_and_sides_may_be_swapped(self, seed, name):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 4))
        assert score(x, x, name) == pytest.approx(1, abs=ATOL)
        assert score(x, y, name) == pytest.approx(score(y, x, name), abs=ATOL)
        assert score(x, y, name) <= 1 + 1e-9

    def test_canonical_correlation_is_blind_to_linear_maps(self, rng):
        x = rng.normal(size=(15, 4))
        assert score(x, x @ rng.normal(size=(4, 4)), "cca") == pytest.approx(1, abs=ATOL)

    def test_biased_drifts_with_features_and_unbiased_does_not(self, rng):
        x, y = rng.normal(size=(2, 20, 2000))
        assert score(x, y, "cka") > 0.9
        assert abs(score(x, y, "cka-unbiased")) < 0.1
        assert score(x, y, "cca") == pytest.approx(1)
        assert score(x, y, "linear-predictivity") < 0.1

    def test_whitened_cosine_of_squared_distances_is_cka(self, pair):
        squares = [((x[:, None] - x[None]) ** 2).sum(axis=-1) for x in pair]
        found = compare_models(
            *(label_squares(s[None], op=["a"]) for s in squares), comparator="whitened-cosine"
        )
        assert found.item() == pytest.approx(score(*pair, "cka"), abs=1e-12)

    def test_bures_of_squared_distances_is_procrustes(self, pair):
        squares = [((x[:, None] - x[None]) ** 2).sum(axis=-1) for x in pair]
        found = compare_models(
            *(label_squares(s[None], op=["a"]) for s in squares), comparator="bures"
        )
        assert found.item() == pytest.approx(score(*pair, "procrustes"), abs=ATOL)


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_rdms(rng, comparator):
    a = label_squares([draw_square(rng, 6) for _ in range(3)], op=["x", "y", "z"])
    b = label_squares([draw_square(rng, 6) for _ in range(2)], op=["p", "q"])
    found = compare_models(a, b.isel(stimulus=[5, 3, 1, 0, 2, 4]), comparator=comparator)
    assert found.dims == ("op", "op_2")
    assert (found.op.values.tolist(), found.op_2.values.tolist()) == (["x", "y", "z"], ["p", "q"])
    brain = b.rename(op="region")
    expected = compare_rdms(
        a, brain, comparator=comparator, n_bootstrap=0, n_splits=0
    ).score.squeeze("subject")
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("name", sorted(ALIGNMENTS))
def test_what_is_rounding_beside_its_mean(rng, name):
    """A Gram varies if centring leaves over 1e-12 of it.

    One that is 0 throughout, or NaN, has nothing to compare.
    """
    points = rng.normal(size=(12, 3))
    points -= points.mean(axis=0)
    # The trace of the centred Gram over the whole.
    share = np.array([0.0, 0.9e-12, 1.1e-12, 1e-3])
    power = (points**2).sum()
    offset = np.sqrt(power / share[1:] / 12 - power / 12)
    grams = [np.zeros((12, 12))] + [points @ points.T + high**2 for high in offset]
    grams.append(np.full((12, 12), np.nan))
    rounding = (np.full((5, 12), EPS), np.full((1, 12), EPS))
    found = align_grams(np.array(grams), points[None] @ points.T, ALIGNMENTS[name], rounding)
    assert np.isnan(found[:, 0]).tolist() == [True, True, False, False, True]


@pytest.mark.parametrize("offset", [0, 10, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_beside_an_offset_is_no_component(rng, offset, dtype):
    """Canonical correlations count every component alike, however small."""
    x = rng.normal(size=(30, 6))
    y = x[:, :4] @ rng.normal(size=(4, 5)) + rng.normal(size=(30, 5))
    bases = [np.linalg.qr(one - one.mean(axis=0))[0] for one in (x, y)]
    expected = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean()
    a = build_grams({"a": x + offset}).astype(dtype)
    b = build_grams({"b": y + offset}).astype(dtype)
    if dtype == np.float32 and offset == 1000:
        with pytest.warns(RuntimeWarning, match="no score for anything"):
            assert np.isnan(compare_models(a, b, comparator="cca").item())
        return
    assert compare_models(a, b, comparator="cca").item() == pytest.approx(expected, abs=1e-3)


def test_a_gram_of_rounding_has_no_score(rng, pair):
    """Rounding of an op that never varies is larger in single than in double precision."""
    x, _ = pair
    grams = build_grams({"a": x, "b": np.full_like(x, 30)})
    left = rng.normal(size=(len(x), 3))
    grams["gram"][1] += 1e-7 * float(grams.gram[1].mean()) * left @ left.T
    assert compare_models(grams, grams).notnull().all()
    grams = grams.assign_attrs(eps=np.finfo(np.float32).eps)
    with pytest.warns(RuntimeWarning, match="no score for 'b': the representation"):
        assert compare_models(grams, grams).notnull().values.tolist() == [
            [True, False],
            [False, False],
        ]


def test_stimuli_in_another_order(rng, pair):
    x, y = pair
    a, b = build_grams({"a": x}), build_grams({"b": y})
    order = rng.permutation(20)
    moved = b.isel(stimulus=order, stimulus_2=rng.permutation(20))
    for name in ALIGNMENTS:
        found = compare_models(a, moved, comparator=name).item()
        assert found == pytest.approx(compare_models(a, b, comparator=name).item(), abs=ATOL)


class TestBrain:
    def build_responses(self, rng):
        return xr.DataArray(
            rng.normal(size=(12, 7)),
            dims=("presentation", "neuroid"),
            coords={
                "stimulus_id": ("presentation", [f"s{i}" for i in range(6)] * 2),
                "region": ("neuroid", ["V1", "V1", "IT", "IT", "IT", "V1", "V1"]),
                "subject": ("neuroid", ["A", "A", "A", "A", "A", "B", "B"]),
            },
        )

    def test_each_region_and_subject(self, rng):
        responses = self.build_responses(rng)
        brain = compute_grams(responses)
        assert brain.n_features.values.tolist() == [[2, 2], [3, 0]]
        means = responses.values.reshape(2, 6, 7).mean(axis=0)
        np.testing.assert_allclose(
            brain.gram.sel(region="IT", subject="A"), means[:, 2:5] @ means[:, 2:5].T
        )
        np.testing.assert_allclose(
            brain.row_sum.sel(region="V1", subject="B"), means[:, 5:].sum(axis=1)
        )
        x = rng.normal(size=(6, 4))
        found = compare_grams(build_grams({"relu": x}), brain).score
        assert found.dims == ("op", "region", "subject")
        assert found.sel(op="relu", region="IT", subject="A").item() == pytest.approx(
            score(x, means[:, 2:5], "cka-unbiased"), abs=1e-12
        )
        assert np.isnan(found.sel(region="IT", subject="B").item())

    def test_one_region_without_names(self, rng):
        responses = self.build_responses(rng).drop_vars(["region", "subject"])
        found = compare_grams(
            build_grams({"relu": rng.normal(size=(6, 4))}), compute_grams(responses)
        )
        assert (found.region.item(), found.subject.item()) == ("brain", "group")

    def test_region_that_does_not_vary_is_named_and_no_op_is_blamed(self, rng):
        responses = self.build_responses(rng)
        responses[:, :2] = 0.1
        grams = build_grams({"relu": rng.normal(size=(6, 4)), "dead": np.full((6, 3), 0.1)})
        with pytest.warns(
            RuntimeWarning,
            match="^no score for 'dead', 'V1, A': the representation .* does not vary",
        ):
            found = compare_grams(grams, compute_grams(responses)).score
        assert found.notnull().sel(op="relu").values.tolist() == [[False, True], [True, False]]
        for op, region in (("relu", "V1"), ("dead", "IT")):
            there = (responses.region == region) & (responses.subject == "A")
            named = f"no score for anything, because of one side or both: '{op}'; '{region}, A': the representation"
            with pytest.warns(RuntimeWarning, match=named):
                compare_grams(grams.sel(op=[op]), compute_grams(responses[:, there]))
        brain = compute_grams(responses)
        brain.gram[1, 0, 2, 3] = np.nan
        with pytest.raises(InputError, match="the Gram of op 'IT, A' of b must be finite"):
            compare_grams(grams, brain)

    def test_time(self, rng):
        with pytest.raises(InputError, match="takes one time bin"):
            compute_grams(self.build_responses(rng).expand_dims(time_bin=2))


class TestErrors:
    def test_dead_op_is_named(self, rng, pair):
        grams = build_grams({"relu": pair[0], "dead": np.full((20, 3), 0.1)})
        with pytest.warns(RuntimeWarning, match="no score for 'dead': the representation"):
            found = compare_models(grams, grams)
        assert np.isnan(found.values).tolist() == [[False, True], [True, True]]

    @pytest.mark.parametrize("comparator", ["spearman", "cosine", "rho-a", "bures"])
    def test_rdms_that_do_not_vary_are_not_alike(self, rng, comparator):
        """They are of one vector for all stimuli, or of equal distances, up to rounding."""
        square = draw_square(rng, 9)
        flat = (1 - np.eye(9)) * (0.3 + 1e-16 * (square > 0.6))
        model = label_squares([np.zeros((9, 9)), flat, square], op=["token", "flat", "conv"])
        with pytest.warns(RuntimeWarning, match="^no score for 'token', 'flat': "):
            found = compare_models(model, model, comparator=comparator)
        assert found.notnull().values.sum() == 1
        assert found[2, 2].item() == pytest.approx(1, abs=0.1)

    def test_two_kinds(self, rng, pair):
        with pytest.raises(
            InputError, match=r"both be Grams.*got Dataset and DataArray.*compute_rdms\(grams\)"
        ):
            compare_models(build_grams({"a": pair[0]}), label_squares(draw_square(rng, 20)))

    def test_wrong_table(self, rng, pair):
        grams, rdm = build_grams({"a": pair[0]}), label_squares(draw_square(rng, 6))
        with pytest.raises(
            UnknownNameError, match=r"no comparator of Grams named 'spearman'.*pass RDMs"
        ):
            compare_models(grams, grams, comparator="spearman")
        with pytest.raises(
            UnknownNameError, match=r"no comparator of RDMs named 'cka'.*pass Grams"
        ):
            compare_models(rdm, rdm, comparator="cka")

    def test_labels_and_numbers(self, rng, pair):
        grams = build_grams({"a": pair[0]})
        other = ["x", *grams.stimulus.values[1:]]
        with pytest.raises(LabelError, match="b and a must hold the same 20 ids"):
            compare_models(grams, grams.assign_coords(stimulus=other, stimulus_2=other))
        broken = grams.copy(deep=True)
        broken.gram[0, 2, 3] = np.nan
        with pytest.raises(InputError, match="the Gram of op 'a' of b must be finite"):
            compare_models(grams, broken)
        with pytest.raises(InputError, match="real numbers, got dtype complex128"):
            compare_models(grams + 0j, grams)
        with pytest.raises(InputError, match="at least 4 stimuli, got 3"):
            compare_models(*[grams.isel(stimulus=slice(3), stimulus_2=slice(3))] * 2)
        with pytest.raises(InputError, match="holds no 'gram'"):
            compare_models(grams.rename(gram="G"), grams)


@pytest.mark.parametrize("function", [compare_models, compare_grams, compute_spectrum])
def test_all_steps_are_shown_unless_quiet(rng, monkeypatch, function):
    """Of three Grams and two."""
    make_bar = progress.tqdm
    bars = []
    disabled = []

    def note_bar(**settings):
        disabled.append(settings["disable"])
        bars.append(make_bar(**settings))
        return bars[-1]

    monkeypatch.setattr(progress, "tqdm", note_bar)
    sides = [
        build_grams({name: rng.normal(size=(6, 3)) for name in names}) for names in ("abc", "de")
    ]
    if function is compare_grams:
        sides[1] = sides[1].rename(op="region")
    if function is compute_spectrum:
        sides = sides[:1]
    function(*sides)
    function(*sides, quiet=True)
    assert disabled == [False, True]
    assert bars[0].n == bars[0].total == (3 if function is compute_spectrum else 3 + 2 + 3 * 2)


def test_comparing_rdms_shows_progress_unless_quiet(rng, capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    rdms = label_squares([draw_square(rng, 6)], op=["a"])
    compare_models(rdms, rdms)
    assert "comparing RDMs" in capsys.readouterr().err
    compare_models(rdms, rdms, quiet=True)
    assert not capsys.readouterr().err
