"""Long work of ``compare`` shows progress to its end, and none where it is quiet."""

import numpy as np
import pytest
import xarray as xr
from squares import draw_square, label_squares

from neurolens import compare
from neurolens.support import progress

IDS = [f"s{i}" for i in range(12)]


class Bar:
    """What a bar was told."""

    def __init__(self, total, disable, **settings):
        self.total = total
        self.disable = disable
        self.n = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, number):
        self.n += number


@pytest.fixture
def bars(monkeypatch):
    """Return the list of bars that are made."""
    made = []

    def make(**settings):
        made.append(Bar(**settings))
        return made[-1]

    monkeypatch.setattr(progress, "tqdm", make)
    return made


def build_rdms(rng):
    model = label_squares([draw_square(rng, 12) for _ in range(3)], op=["a", "b", "c"])
    squares = [[draw_square(rng, 12) for _ in range(3)] for _ in range(2)]
    return model, label_squares(squares, region=["V1", "IT"], subject=["A", "B", "C"])


def compare_rdms(rng, quiet, **settings):
    compare.compare_rdms(*build_rdms(rng), n_bootstrap=6, n_splits=4, quiet=quiet, **settings)


def compare_gapped(rng, quiet):
    model, brain = build_rdms(rng)
    model[0, 1, 2] = model[0, 2, 1] = np.nan
    brain[0, 0, 3, 4] = brain[0, 0, 4, 3] = np.nan
    with pytest.warns(RuntimeWarning, match="some pairs are NaN"):
        compare.compare_rdms(model, brain, n_bootstrap=6, n_splits=4, quiet=quiet)


def permute_bures(rng, quiet):
    compare.permute_rdms(*build_rdms(rng), comparator="bures", n_permutations=19, quiet=quiet)


def draw_features(rng):
    coords = {"stimulus": IDS}
    features = xr.DataArray(rng.normal(size=(12, 3)), dims=("stimulus", "feature"), coords=coords)
    responses = xr.DataArray(rng.normal(size=(12, 2)), dims=("stimulus", "neuroid"), coords=coords)
    return features, responses


def fit_encoding(rng, quiet):
    compare.fit_encoding(*draw_features(rng), cv=3, n_splits=0, quiet=quiet)


def fit_test_sets(rng, quiet):
    sets = dict(zip(IDS, ["train"] * 8 + ["test"] * 4, strict=True))
    compare.fit_test_sets(*draw_features(rng), split=sets, quiet=quiet)


def permute_encoding(rng, quiet):
    compare.permute_encoding(*draw_features(rng), cv=3, n_permutations=19, quiet=quiet)


def compare_searchlight(rng, quiet):
    model, _ = build_rdms(rng)
    where = {f"voxel_{axis}": ("neuroid", np.arange(4.0)) for axis in "xyz"}
    responses = xr.DataArray(
        rng.normal(size=(12, 4)),
        dims=("stimulus", "neuroid"),
        coords={"stimulus": IDS, "neuroid_id": ("neuroid", list("abcd")), **where},
    )
    compare.compare_searchlight(model, responses, radius=5, metric="euclidean", quiet=quiet)


def compute_rdms(rng, quiet):
    """Of responses in which a subject lacks a region, of a Gram, and of activations."""
    features, _ = draw_features(rng)
    values = rng.normal(size=(12, 6))
    where = {
        "region": ("neuroid", ["V1", "V1", "IT", "IT", "V1", "V1"]),
        "subject": ("neuroid", ["A"] * 4 + ["B"] * 2),
    }
    responses = xr.DataArray(
        values, dims=("stimulus", "neuroid"), coords={"stimulus": IDS, **where}
    )
    compare.compute_rdms(responses, metric="euclidean", quiet=quiet)
    compare.compute_rdms(features, quiet=quiet)
    gram = xr.DataArray(
        (values @ values.T)[None],
        dims=("op", "stimulus", "stimulus_2"),
        coords={"op": ["a"], "stimulus": IDS, "stimulus_2": IDS},
    )
    row_sum = (("op", "stimulus"), values.sum(axis=1)[None])
    grams = gram.to_dataset(name="gram").assign(row_sum=row_sum, n_features=("op", [6]))
    compare.compute_rdms(grams, quiet=quiet)


WORK = {
    "RDMs": compute_rdms,
    "draws": compare_rdms,
    "whitened draws": lambda rng, quiet: compare_rdms(rng, quiet, comparator="whitened-cosine"),
    "bures draws": lambda rng, quiet: compare_rdms(rng, quiet, comparator="bures"),
    "draws of gapped RDMs": compare_gapped,
    "influences": lambda rng, quiet: compare_rdms(rng, quiet, interval="influence"),
    "two factors": lambda rng, quiet: compare.bootstrap_rdms(
        *build_rdms(rng), n_bootstrap=6, quiet=quiet
    ),
    "two factors, influences": lambda rng, quiet: compare.bootstrap_rdms(
        *build_rdms(rng), n_bootstrap=6, interval="influence", quiet=quiet
    ),
    "permutation": lambda rng, quiet: compare.permute_rdms(
        *build_rdms(rng), n_permutations=19, quiet=quiet
    ),
    "permutation of pairs": permute_bures,
    "partial": lambda rng, quiet: compare.compare_partial_rdms(
        *build_rdms(rng),
        label_squares([draw_square(rng, 12)], op=["pixels"]),
        n_bootstrap=6,
        n_splits=0,
        n_permutations=19,
        quiet=quiet,
    ),
    "regression": lambda rng, quiet: compare.fit_rdm_regression(
        *build_rdms(rng), n_bootstrap=6, n_permutations=19, quiet=quiet
    ),
    "encoding": fit_encoding,
    "test sets": fit_test_sets,
    "permutation of responses": permute_encoding,
    "searchlight": compare_searchlight,
    "reweighting": lambda rng, quiet: compare.fit_reweighted_rdms(
        *build_rdms(rng), n_folds=2, quiet=quiet
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", WORK)
def test_progress_reaches_the_end_or_is_not_shown(rng, bars, name):
    WORK[name](rng, False)
    assert bars
    for bar in bars:
        assert not bar.disable
        assert bar.n == pytest.approx(bar.total)
    n_bars = len(bars)
    WORK[name](rng, True)
    assert len(bars) == 2 * n_bars
    assert all(bar.disable and bar.n == 0 for bar in bars[n_bars:])
