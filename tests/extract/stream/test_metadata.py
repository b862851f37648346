"""Metadata of stimuli are coordinates of everything that is made from them, by id."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import neurolens as nl
from neurolens.errors import DataError
from neurolens.extract.stream.metadata import (
    list_coordinates,
    pack_columns,
    read_columns,
    unpack_columns,
)

N = 9
IDS = [f"s{i}" for i in range(N)]
TABLE = pd.DataFrame(
    {
        "category": list("aaabbbccc"),
        "size": [1.5, np.nan, 2, 3, 4, 5, 6, 7, 8],
        "count": range(N),
        "is_animal": [True, False, False] * 3,
        "y": range(N),
    },
    index=IDS,
)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 3)
        self.size = torch.nn.Linear(32, 3)

    def forward(self, x):
        return self.size(self.conv(x).relu().flatten(1))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def stimuli(rng):
    values = rng.standard_normal((N, 3, 6, 6)).astype(np.float32)
    return nl.load_stimuli(values, ids=IDS, metadata=TABLE.iloc[::-1])


def check(data):
    """Every stimulus has its own row of the table, whatever the order."""
    for name, label in (("category", "category"), ("count", "count"), ("y", "stimulus_y")):
        found = data[label]
        assert found.dims == ("stimulus",)
        assert found.to_series().to_dict() == TABLE[name].to_dict()
    assert data["is_animal"].dtype == bool


def test_activations_carry_metadata_in_memory_and_in_stores(net, stimuli, tmp_path):
    memory = nl.extract_activations(net, stimuli, quiet=True)
    nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", quiet=True)
    stored = nl.open_activations(tmp_path / "a.zarr")
    for acts in (memory, stored):
        nodes = [node for node in acts.subtree if "activation" in node]
        assert len(nodes) == 4
        for node in nodes:
            check(node.activation)
            # An op of the model has this name.
            assert node.activation.stimulus_size.isel(stimulus=0) == 1.5


def test_grams_and_rdms_carry_metadata(net, stimuli):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    check(grams)
    check(nl.compute_rdms(grams))
    acts = nl.extract_activations(net, stimuli.select(IDS[::-1]), quiet=True)
    rdms = nl.compute_rdms(acts)
    check(rdms)
    assert list(rdms.stimulus.values) == IDS[::-1]
    check(nl.compute_rdms(acts["conv/conv2d"].activation))
    check(nl.extract.select_results(acts, "conv")["conv/conv2d"].activation)


def test_groups_are_named_by_metadata(net, stimuli):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    folds = nl.compare.split_stimuli(grams.gram, by="category", n_folds=3)
    numbers = folds.to_series().groupby(TABLE.category.reindex(folds.stimulus.values).values)
    assert (numbers.nunique() == 1).all()


def test_a_store_that_was_made_with_other_metadata_is_told(net, stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    nl.extract_activations(net, stimuli, store=path, quiet=True)
    nl.extract_activations(net, stimuli, store=path, quiet=True)
    values = np.stack([stimuli[name].numpy() for name in IDS])
    changed = nl.load_stimuli(values, ids=IDS, metadata=TABLE.assign(category="x"))
    with pytest.raises(
        DataError, match="the metadata of the stimuli differ: 1 changed, first 'cat"
    ):
        nl.extract_activations(net, changed, store=path, quiet=True)


def test_damaged_metadata_are_found_and_repaired(net, stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    nl.extract_activations(net, stimuli, store=path, quiet=True)
    [chunk] = [file for file in (path / "checks/metadata/c").rglob("*") if file.is_file()]
    content = chunk.read_bytes()
    chunk.write_bytes(content.replace(b"category", b"cathegor"))
    with pytest.raises(DataError, match="metadata"):
        nl.open_activations(path)
    with pytest.warns(RuntimeWarning, match="was damaged: .*metadata"):
        acts = nl.extract_activations(net, stimuli, store=path, quiet=True)
    check(acts["conv/conv2d"].activation)
    assert chunk.read_bytes() == content


def test_stores_without_metadata_are_opened(net, stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    plain = nl.load_stimuli(np.stack([stimuli[name].numpy() for name in IDS]), ids=IDS)
    nl.extract_activations(net, plain, store=path, quiet=True)
    assert set(nl.open_activations(path)["conv/conv2d"].activation.coords) == {"stimulus"}
    shutil.rmtree(path)


def test_columns_of_all_kinds():
    table = pd.DataFrame(
        {
            "text": ["a", None, "c"],
            "label": pd.Categorical(["x", "y", "x"]),
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "all": pd.array([1, 2, 3], dtype="Int64"),
            "time": pd.to_datetime(["2020-01-01", None, "2020-01-03T10:00"], format="ISO8601"),
        }
    )
    columns = read_columns(table)
    assert columns["text"].tolist() == ["a", "", "c"]
    assert columns["label"].tolist() == ["x", "y", "x"]
    np.testing.assert_array_equal(columns["whole"], [1, np.nan, 3])
    assert columns["all"].dtype == np.int64
    assert columns["time"].tolist() == ["2020-01-01T00:00:00", "", "2020-01-03T10:00:00"]
    again = unpack_columns(pack_columns(columns))
    for name, values in columns.items():
        np.testing.assert_array_equal(again[name], values)
        assert again[name].dtype == values.dtype


def test_what_cannot_be_a_coordinate_is_told(net, stimuli):
    values = np.stack([stimuli[name].numpy() for name in IDS])
    odd = pd.DataFrame({"list": [[1]] * N, 3: range(N), "mixed": ["a", 1, 2] * 3}, index=IDS)
    loaded = nl.load_stimuli(values, ids=IDS, metadata=odd)
    for extract in (nl.extract_activations, nl.extract_grams):
        with pytest.warns(RuntimeWarning, match="columns 'list', 3, 'mixed' are no coordinates"):
            extract(net, loaded, quiet=True)


def test_names_that_stand_for_something_else():
    columns = {"region": np.arange(2), "a": np.arange(2), "b": np.arange(2)}
    assert set(list_coordinates(columns, ["a"])) == {"stimulus_region", "stimulus_a", "b"}
    columns["stimulus_a"] = np.arange(2)
    with pytest.warns(RuntimeWarning, match="columns 'a' are no coordinates of results, in which"):
        assert "stimulus_a" in list_coordinates(columns, ["a"])
