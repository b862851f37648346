"""Work in blocks gives the same result for any size of block, and with any rest.

Sizes of blocks follow from constants in the modules, or from a budget; here they are drawn at
random instead."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from squares import draw_square, label_squares

from neurolens.compare import (
    COMPARATORS,
    bootstrap_rdms,
    compare_rdms,
    compare_searchlight,
    compute_rdms,
    compute_searchlight_rdms,
    fit_encoding,
    permute_encoding,
    permute_rdms,
)
from neurolens.compare.encoding import permutation as nulls
from neurolens.compare.encoding.models import ridge
from neurolens.compare.encoding.models.spectrum import split_kernel
from neurolens.compare.inputs import op_groups as shards
from neurolens.compare.inputs.features import list_ops
from neurolens.compare.rdms import vectors as triangles
from neurolens.compare.rdms.vectors import read_brain_rdms, read_model_rdms
from neurolens.compare.rsa import permutation, searchlight
from neurolens.compare.rsa import sides as similarity
from neurolens.compare.rsa.comparators import moments as weights
from neurolens.compare.rsa.comparators import ranks
from neurolens.compare.stats.linalg import compute_gram
from neurolens.errors import InputError
from neurolens.support.parallel import split_evenly

SEEDS = st.integers(0, 2**32 - 1)
# One entry, a few, or more than any array here has.
WIDTHS = st.one_of(st.integers(1, 7), st.just(10**6))


@contextmanager
def blocks(module, **sizes):
    """Set constants of ``module`` to ``sizes``."""
    with pytest.MonkeyPatch.context() as patch:
        for constant, size in sizes.items():
            patch.setattr(module, constant, size)
        yield


def build_sides(seed, n, n_ops, n_subjects=2):
    rng = np.random.default_rng(seed)
    model = label_squares(
        [draw_square(rng, n) for _ in range(n_ops)], op=[f"op{k}" for k in range(n_ops)]
    )
    squares = [[draw_square(rng, n) for _ in range(n_subjects)] for _ in "VI"]
    brain = label_squares(
        squares, region=["V1", "IT"], subject=[f"S{k}" for k in range(n_subjects)]
    )
    if n_subjects > 1:
        brain[1, -1] = np.nan
    return model, brain


def build_problem(seed, n, v, n_ops=1):
    rng = np.random.default_rng(seed)
    ops = {f"op{k}": label_features(rng.normal(size=(n, 4))) for k in range(n_ops)}
    signal = ops["op0"].values @ rng.normal(size=(4, v))
    return ops, label_responses(signal + rng.normal(size=(n, v)))


class TestRidge:
    @given(
        n=st.integers(6, 12),
        v=st.integers(1, 9),
        width=WIDTHS,
        select=st.sampled_from(["gcv", "loo", "folds"]),
    )
    def test_blocks_of_neuroids(self, n, v, width, select):
        """The result is that of each neuroid alone."""
        rng = np.random.default_rng(n * v)
        x, y = rng.normal(size=(n, 3)), torch.from_numpy(rng.normal(size=(n, v)))
        spectrum = split_kernel(torch.from_numpy(x @ x.T), torch.arange(n), torch.arange(0))
        alphas = torch.logspace(-2, 3, 6, dtype=torch.float64)
        held = [torch.arange(n)[k::3] for k in range(3)]
        targets = y - y.mean(0)
        with blocks(ridge, BLOCK=width * n):
            found = ridge.fit_ridge(spectrum, targets, alphas, select, held)
        for k in range(v):
            alone = ridge.fit_ridge(spectrum, targets[:, [k]], alphas, select, held)
            torch.testing.assert_close(
                found.coefficients[:, [k]], alone.coefficients, rtol=1e-9, atol=1e-12
            )
            assert found.chosen[k] == alone.chosen[0]

    def test_no_neuroid(self):
        empty = torch.zeros((4, 0), dtype=torch.float64)
        spectrum = split_kernel(torch.eye(4, dtype=torch.float64), torch.arange(4), torch.arange(0))
        found = ridge.fit_ridge(spectrum, empty, torch.ones(2, dtype=torch.float64))
        assert found.coefficients.shape == (4, 0)
        assert found.chosen.shape == (0,)


class TestPairs:
    @given(seed=SEEDS, n_ops=st.integers(1, 6), step=WIDTHS)
    def test_squares_are_read_in_blocks(self, seed, n_ops, step):
        model, brain = build_sides(seed, 6, n_ops)
        first, second = np.triu_indices(6, 1)
        with blocks(triangles, BLOCK_NUMBERS=step * 36):
            pairs = read_model_rdms(model).pairs
        np.testing.assert_array_equal(pairs, model.values[:, first, second])
        with blocks(triangles, BLOCK_NUMBERS=step * 72):
            read = read_brain_rdms(brain)
        np.testing.assert_array_equal(read.pairs, brain.values[:, :, first, second])

    @given(n_ops=st.integers(1, 6), step=WIDTHS, data=st.data())
    def test_a_bad_square_is_found_in_any_block(self, n_ops, step, data):
        model, _ = build_sides(0, 6, n_ops)
        bad = data.draw(st.integers(0, n_ops - 1))
        model[bad, 2, 4] += 1
        with (
            blocks(triangles, BLOCK_NUMBERS=step * 36),
            pytest.raises(InputError, match="square and symmetric"),
        ):
            read_model_rdms(model)

    @given(
        seed=SEEDS,
        n_draws=st.integers(0, 7),
        step=WIDTHS,
        comparator=st.sampled_from(sorted(COMPARATORS)),
    )
    def test_blocks_of_draws(self, seed, n_draws, step, comparator):
        """The result is that of each draw alone, also of draws of one or two stimuli."""
        rng = np.random.default_rng(seed)
        n, kernel = 5, COMPARATORS[comparator]
        x, y = (
            np.stack([draw_square(rng, n)[np.triu_indices(n, 1)] for _ in range(k)]) for k in (3, 2)
        )
        counts = rng.multinomial(n, np.full(n, 1 / n), size=n_draws)
        counts = np.vstack([counts, np.eye(n, dtype=int)[:1] * n, np.ones((1, n), dtype=int)])
        with blocks(weights, BLOCK_WEIGHTS=step * len(x[0])):
            found = kernel.moments(x, y, counts)
        for draw in range(len(counts)):
            alone = kernel.moments(x, y, counts[[draw]])
            for name, part in found._asdict().items():
                np.testing.assert_allclose(
                    part[draw], getattr(alone, name)[0], rtol=1e-9, atol=1e-12
                )

    @given(
        seed=SEEDS,
        n_ops=st.integers(1, 7),
        n_brains=st.integers(1, 7),
        step=WIDTHS,
        ties=st.booleans(),
    )
    def test_blocks_of_rows_that_are_ranked(self, seed, n_ops, n_brains, step, ties):
        """The result is that of each pair of RDMs alone, whichever side has the longer rest."""
        rng = np.random.default_rng(seed)
        n = 5
        x, y = (
            np.stack([draw_square(rng, n, ties=ties)[np.triu_indices(n, 1)] for _ in range(k)])
            for k in (n_ops, n_brains)
        )
        counts = rng.multinomial(n, np.full(n, 1 / n), size=3)
        with blocks(ranks, BLOCK_RANKS=step * len(x[0])):
            found = ranks.rank_moments(x, y, counts)
        for i, j in np.ndindex(n_ops, n_brains):
            alone = ranks.rank_moments(x[[i]], y[[j]], counts)
            np.testing.assert_allclose(
                found.cross[:, i, j], alone.cross[:, 0, 0], rtol=1e-9, atol=1e-12
            )
            np.testing.assert_allclose(
                found.power_x[:, i], alone.power_x[:, 0], rtol=1e-9, atol=1e-12
            )
            np.testing.assert_allclose(
                found.power_y[:, j], alone.power_y[:, 0], rtol=1e-9, atol=1e-12
            )


class TestScores:
    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:RDMs that have nothing to do with each other")
    @given(
        seed=SEEDS,
        n_ops=st.integers(1, 6),
        width=WIDTHS,
        by_draws=st.booleans(),
        comparator=st.sampled_from(["spearman", "cosine", "whitened-pearson"]),
    )
    def test_blocks_of_ops(self, seed, n_ops, width, by_draws, comparator):
        """The result is that of each op alone; an op with NaN makes its block shorter, or empty."""
        model, brain = build_sides(seed, 6, n_ops)
        options = {"comparator": comparator, "n_bootstrap": 4, "rng": seed}
        pairs, draws = 15 * width, 10**9
        if by_draws:
            pairs, draws = 10**9, 4 * 3 * width
        with blocks(similarity, BLOCK_PAIRS=pairs, BLOCK_DRAWS=draws):
            assert similarity.count_ops(read_model_rdms(model), read_brain_rdms(brain), 4) == width
            compared = compare_rdms(model, brain, n_splits=2, **options)
            drawn = bootstrap_rdms(model, brain, **options)
        for k in range(n_ops):
            alone = compare_rdms(model[[k]], brain, n_splits=2, **options)
            xr.testing.assert_allclose(compared.isel(op=[k]), alone, rtol=1e-6)
            # q is over all ops.
            one = bootstrap_rdms(model[[k]], brain, **options).drop_vars(["q", "subject_q"])
            xr.testing.assert_allclose(
                drawn.isel(op=[k]).drop_vars(["q", "subject_q"]), one, atol=1e-9
            )

    @given(n_ops=st.integers(2, 6), width=WIDTHS, data=st.data())
    @pytest.mark.filterwarnings("ignore:no score for:RuntimeWarning")
    def test_blocks_of_ops_of_which_some_are_nan(self, n_ops, width, data):
        model, brain = build_sides(n_ops, 6, n_ops)
        dead = data.draw(st.lists(st.booleans(), min_size=n_ops, max_size=n_ops))
        assume(any(dead))
        model[np.flatnonzero(dead)] = np.nan
        options = {"n_bootstrap": 4, "n_splits": 1}
        with blocks(similarity, BLOCK_PAIRS=15 * width):
            found = compare_rdms(model, brain, **options)
            drawn = bootstrap_rdms(model, brain, n_bootstrap=4)
        assert np.isnan(found.score_mean).all("region").values.tolist() == dead
        assert np.isnan(drawn.score_mean).all("region").values.tolist() == dead
        if not all(dead):
            kept = np.flatnonzero(~np.array(dead))
            whole = compare_rdms(model[kept], brain, **options)
            xr.testing.assert_allclose(found.isel(op=kept), whole, rtol=1e-6)

    @given(
        seed=SEEDS,
        n_ops=st.integers(1, 4),
        n_permutations=st.integers(1, 6),
        step=WIDTHS,
        width=WIDTHS,
    )
    def test_blocks_of_permutations_and_ops(self, seed, n_ops, n_permutations, step, width):
        """The result is that of the method that compares anew each time, without blocks."""
        sides = build_sides(seed, 6, n_ops)
        model, brain = read_model_rdms(sides[0]), read_brain_rdms(sides[1])
        rng = np.random.default_rng(seed)
        orders = np.stack([np.arange(6)] + [rng.permutation(6) for _ in range(n_permutations)])
        expected = permutation.score_pairs(model, brain, orders, COMPARATORS["pearson"])
        # Two regions of 36 numbers each.
        with blocks(permutation, BLOCK_NUMBERS=step * 72, BLOCK_OPS=width * 36):
            embed = COMPARATORS["pearson"].embed
            found = permutation.score_embedded(model, brain, orders, embed)
        np.testing.assert_allclose(found, expected, atol=1e-12)

    @given(n_permutations=st.integers(1, 8), step=WIDTHS)
    def test_tests_do_not_depend_on_blocks(self, n_permutations, step):
        model, brain = build_sides(1, 7, 3)
        expected = permute_rdms(model, brain, n_permutations=n_permutations)
        with blocks(permutation, BLOCK_NUMBERS=step * 98, BLOCK_OPS=step * 49):
            found = permute_rdms(model, brain, n_permutations=n_permutations)
        xr.testing.assert_allclose(found, expected, atol=1e-12)

    @given(n_permutations=st.integers(1, 8), v=st.integers(1, 4), step=WIDTHS)
    def test_blocks_of_permuted_fits(self, n_permutations, v, step):
        ops, responses = build_problem(v, 12, v, n_ops=2)
        options = {"cv": 3, "n_permutations": n_permutations}
        expected = permute_encoding(build_grams(ops), responses, **options)
        with blocks(nulls, BLOCK_NUMBERS=step * 12 * v):
            found = permute_encoding(build_grams(ops), responses, **options)
        xr.testing.assert_allclose(found, expected, atol=1e-9)


class TestSearchlight:
    @given(n_voxels=st.integers(1, 9), step=WIDTHS, chosen=st.data())
    def test_batches_of_centres(self, n_voxels, step, chosen):
        """The result is that of each centre alone, for all or for some in any order."""
        rng = np.random.default_rng(n_voxels)
        names = [f"v{k}" for k in range(n_voxels)]
        responses = label_responses(rng.normal(size=(5, n_voxels)))
        where = {
            axis: ("neuroid", rng.integers(0, 3, n_voxels).astype(float))
            for axis in searchlight.AXES
        }
        responses = responses.assign_coords(neuroid_id=("neuroid", names), **where)
        centers = chosen.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
        options = {"radius": 1.5, "metric": "euclidean"}
        model = label_squares([draw_square(rng, 5) for _ in "ab"], op=["a", "b"])
        with blocks(searchlight, BATCH_BYTES=8 * 25 * step):
            rdms = compute_searchlight_rdms(responses, centers=centers, **options)
            scores = compare_searchlight(model, responses, centers=centers, **options)
        assert rdms.neuroid.values.tolist() == centers
        for k, center in enumerate(centers):
            near = (
                sum((responses[axis] - responses[axis][names.index(center)]) ** 2 for axis in where)
                <= 1.5**2
            )
            alone = compute_rdms(responses[:, near.values], metric="euclidean").squeeze()
            np.testing.assert_allclose(rdms[k], alone.values, atol=1e-12)
            score = compare_rdms(model, rdms[k], n_bootstrap=0, n_splits=0).score.squeeze()
            np.testing.assert_allclose(scores.score[:, k, 0], score, atol=1e-12)


class TestGrams:
    @given(
        n=st.integers(1, 5),
        p=st.integers(1, 30),
        width=WIDTHS,
        order=st.sampled_from("CF"),
        shifted=st.booleans(),
    )
    def test_blocks_of_features(self, n, p, width, order, shifted):
        rng = np.random.default_rng(p)
        features = np.asarray(rng.normal(size=(n, p)).astype(np.float32), order=order)
        shift = rng.normal(size=(n, 1)) if shifted else None
        gram, row_sum = compute_gram(features, shift, block_bytes=8 * (n + 1) * width)
        moved = features.astype(np.float64) - (0 if shift is None else shift)
        np.testing.assert_allclose(gram, moved @ moved.T, atol=1e-10)
        np.testing.assert_allclose(row_sum, moved.sum(axis=1), atol=1e-10)

    @pytest.mark.parametrize("p", [1, 511, 512, 513, 1024, 1025])
    def test_blocks_of_features_where_they_stand(self, rng, p):
        """In double precision features are multiplied without a copy, 512 at a time or more."""
        features = rng.normal(size=(300, p))
        gram, row_sum = compute_gram(features)
        np.testing.assert_allclose(gram, features @ features.T, atol=1e-9)
        np.testing.assert_allclose(row_sum, features.sum(axis=1), atol=1e-9)


class TestShards:
    @given(n=st.integers(0, 40), n_parts=st.integers(1, 60))
    def test_parts_are_all_of_it_once(self, n, n_parts):
        parts = split_evenly(range(n), n_parts)
        assert [i for part in parts for i in part] == list(range(n))
        assert len(parts) == min(n, n_parts)
        sizes = [len(part) for part in parts]
        assert max(sizes, default=0) - min(sizes, default=0) <= 1

    @settings(max_examples=12)
    @given(n_ops=st.integers(1, 7), n_parts=st.integers(1, 9))
    def test_groups_of_ops_are_all_ops_once(self, n_ops, n_parts):
        """Groups of Grams, RDMs and activations hold each op with its own numbers.

        Ops are in the order in which they ran.
        """
        rng = np.random.default_rng(n_ops)
        # Ten names, so that their order is not that of a folder of files.
        ops = {f"layer{k + 5}/relu": label_features(rng.normal(size=(4, 3))) for k in range(n_ops)}
        grams = build_grams(ops)
        kinds = {"grams": grams, "rdms": grams["gram"], "tree": build_tree(ops)}
        for kind, features in kinds.items():
            parts = shards._split_ops(features, n_parts)
            assert len(parts) == min(n_ops, n_parts)
            assert all(type(part) is type(features) for part in parts)
            names = [
                op
                for part in parts
                for op in (part.op.values.tolist() if kind == "rdms" else list_ops(part))
            ]
            assert names == list(ops)
            if kind == "tree":
                held = [node.dataset["activation"] for part in parts for node in part.leaves]
                assert len(held) == n_ops
                for found, expected in zip(held, ops.values(), strict=True):
                    np.testing.assert_array_equal(found, expected)
            else:
                for part in parts:
                    xr.testing.assert_identical(part, features.sel(op=part.op))

    @settings(max_examples=12)
    @given(n_ops=st.integers(1, 5), n_parts=st.integers(1, 6))
    def test_scores_of_groups_are_those_of_all(self, n_ops, n_parts):
        """Ops are divided and joined as on a cluster of any size, without one."""
        ops, responses = build_problem(n_ops, 12, 3, n_ops)
        model, brain = build_sides(n_ops, 6, n_ops)
        calls = {
            fit_encoding: (
                build_grams(ops),
                {"responses": responses, "cv": 2, "n_splits": 1, "n_bootstrap": 2},
            ),
            compare_rdms: (model, {"brain_rdms": brain, "n_bootstrap": 2, "n_splits": 1}),
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shards, "count_shards", lambda client: n_parts)
            patch.setattr(
                shards,
                "run_tasks",
                lambda client, run, common, parts, _: [run(common, p) for p in parts],
            )
            for function, (features, options) in calls.items():
                whole = function(features, **options)
                joined = shards.map_ops(None, function, features, rng=0, **options)
                xr.testing.assert_allclose(joined, whole, rtol=1e-6)
                assert joined.attrs == whole.attrs
                assert {name: part.attrs for name, part in joined.items()} == {
                    name: part.attrs for name, part in whole.items()
                }
