"""What was fitted before a call was stopped is not fitted again, and never taken for another."""

import numpy as np
import pytest
import xarray as xr
from brains import build_grams, build_tree, label_features, label_responses

from neurolens.compare import fit_encoding
from neurolens.compare.encoding.ops import fits as module
from neurolens.compare.encoding.ops.records import FitRecords, hash_problem
from neurolens.errors import InputError


@pytest.fixture
def problem(rng):
    """Features of three ops, one of them wide, and responses."""
    tree = {f"op{k}": label_features(rng.normal(size=(36, p))) for k, p in enumerate((4, 50, 6))}
    y = tree["op0"].values @ rng.normal(size=(4, 5)) + rng.normal(size=(36, 5))
    return tree, label_responses(y, region=list("AABBA"), subject=list("ststs"))


@pytest.fixture
def fitted(monkeypatch):
    """Count the ops that are fitted, and stop before the one of that number."""
    counter = {"n": 0, "stop": None}
    fit = module._fit_op

    def count(*args):
        if counter["n"] == counter["stop"]:
            raise KeyboardInterrupt
        counter["n"] += 1
        return fit(*args)

    monkeypatch.setattr(module, "_fit_op", count)
    return counter


@pytest.mark.parametrize("build", [build_tree, build_grams])
def test_a_stopped_call_goes_on(problem, fitted, tmp_path, build):
    tree, responses = problem
    features = build(tree)
    settings = {"cv": 3, "dual": True, "predictions": True, "n_splits": 2}
    whole = fit_encoding(features, responses, **settings)
    fitted |= {"n": 0, "stop": 2}
    with pytest.raises(KeyboardInterrupt):
        fit_encoding(features, responses, checkpoint=tmp_path / "a/b", **settings)
    assert len(list((tmp_path / "a/b").iterdir())) == 2
    fitted |= {"n": 0, "stop": None}
    resumed = fit_encoding(features, responses, checkpoint=tmp_path / "a/b", **settings)
    assert fitted["n"] == 1
    xr.testing.assert_identical(resumed, whole)
    again = fit_encoding(features, responses, checkpoint=str(tmp_path / "a/b"), **settings)
    assert fitted["n"] == 1
    xr.testing.assert_identical(again, whole)


@pytest.mark.filterwarnings("ignore:the best penalty ends the grid")
def test_only_the_same_fit_is_taken(problem, fitted, tmp_path):
    tree, responses = problem

    def count(tree, responses, **settings):
        fitted["n"] = 0
        settings = {"cv": 3, "n_splits": 0, "checkpoint": tmp_path} | settings
        fit_encoding(build_tree(tree), responses, **settings)
        return fitted["n"]

    assert count(tree, responses) == 3
    assert count(tree, responses) == 0
    assert count(dict(reversed(tree.items())), responses) == 0
    assert count(tree, responses, n_bootstrap=10) == 0
    assert count(tree, responses, memory=1000) == 0
    assert count(tree, responses + 1e-12) == 3
    assert count(tree, responses[::-1]) == 3
    assert count(tree, responses.assign_coords(region=("neuroid", list("AABBB")))) == 3
    for settings in (
        {"rng": 1},
        {"cv": 4},
        {"select": "loo"},
        {"alphas": [1.0, 10.0]},
        {"alphas": [1.0, 20.0]},
        {"n_splits": 1},
        {"n_splits": 1, "metric": "r2"},
        {"n_splits": 1, "aggregate": "median"},
        {"predictions": True},
        {"dual": True},
        {"method": "pls"},
        {"method": "pls", "n_components": 2},
    ):
        assert count(tree, responses, **settings) == 3
        assert count(tree, responses, **settings) == 0
    changed = tree["op1"].copy()
    changed[3, 2] += 1e-9
    assert count(tree | {"op1": changed}, responses) == 1
    moved = tree["op2"].assign_coords(stimulus=np.roll(tree["op2"].stimulus, 1))
    assert count(tree | {"op2": moved}, responses) == 1


def test_a_damaged_fit_is_fitted_again(problem, fitted, tmp_path):
    tree, responses = problem
    features = build_tree(tree)
    whole = fit_encoding(features, responses, cv=3, checkpoint=tmp_path)
    files = sorted(tmp_path.iterdir())
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 255
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:200])
    files[2].write_bytes(b"")
    fitted["n"] = 0
    xr.testing.assert_identical(fit_encoding(features, responses, cv=3, checkpoint=tmp_path), whole)
    assert fitted["n"] == 3
    assert sorted(tmp_path.iterdir()) == files


def test_any_damage_is_noticed(rng, tmp_path):
    """A bit of any byte, wherever an archive keeps it: of arrays, of their names, of their sizes."""
    records = FitRecords(tmp_path, "problem")
    records.write("op", {"r": rng.normal(size=3), "side": np.array("kernel")})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    assert records.read("op")["side"] == "kernel"
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert records.read("op") is None
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        assert records.read("op") is None
    path.write_bytes(content)
    np.testing.assert_equal(records.read("op")["side"], np.array("kernel"))


def test_the_same_fit_can_be_written_twice_at_once(tmp_path, monkeypatch):
    """As by two workers that have ops of the same features."""
    records = FitRecords(tmp_path, "problem")
    save = np.savez
    fits = [{"r": np.zeros(3)}, {"r": np.zeros(3)}]

    def save_after_another(file, **arrays):
        if len(fits) == 2:
            records.write("op", fits.pop())
        save(file, **arrays)

    monkeypatch.setattr(np, "savez", save_after_another)
    records.write("op", fits[0])
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(records.read("op")["r"], np.zeros(3))


def test_what_is_no_folder_is_refused(problem, tmp_path):
    tree, responses = problem
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="checkpoint must be a folder, and '.*file' is a file"):
        fit_encoding(build_tree(tree), responses, checkpoint=tmp_path / "file")
    with pytest.raises(InputError, match="path must be the path of a file, got int"):
        FitRecords(3, "")
    with pytest.raises(InputError, match="path must be the path of a file, got an empty text"):
        FitRecords("", "")


def test_hashes_tell_dtypes_shapes_and_places_apart():
    values = np.arange(6.0)
    hashes = {
        hash_problem(*parts)
        for parts in (
            (values,),
            (values.reshape(2, 3),),
            (values.view(np.int64),),
            (values, None),
            (None, values),
            (values.tolist(),),
            ("a", "b"),
            ("ab",),
            (np.array(["a", "b"], dtype=object),),
        )
    }
    assert len(hashes) == 9
