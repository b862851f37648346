"""Assemblies: each neuroid has its op and position."""

import numpy as np
import pytest
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.extract import assemblies
from neurolens.extract.assemblies import to_assembly


class Net(nn.Module):
    """Maps (2, 2, 3), then tokens (6, 2), then an op of the model itself on features (2)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        self.tokens = nn.Identity()

    def forward(self, x):
        return self.tokens(self.conv(x).flatten(2).transpose(1, 2)).sum(1) > 3


@pytest.fixture
def acts(rng):
    values = rng.standard_normal((5, 3, 2, 3)).astype(np.float32)
    return nl.extract_activations(
        Net(), nl.load_stimuli(values, ids=[f"bild_ä{i}" for i in range(5)]), quiet=True
    )


def make_tree(**nodes):
    """Return a tree of one array per op, as extract_activations would."""
    held = {
        name: xr.Dataset({"activation": array.assign_attrs(op=name)})
        for name, array in nodes.items()
    }
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(coords={"stimulus": np.array(["a", "b"], object)}), **held}
    )
    tree.attrs = {"model": "M", "stimulus_hash": "f00d"}
    return tree


def test_each_neuroid_knows_its_place():
    maps = xr.DataArray(
        np.arange(24.0, dtype=np.float32).reshape(2, 2, 2, 3),
        dims=("stimulus", "channel", "y", "x"),
    )
    words = xr.DataArray(
        np.arange(8, dtype=np.float16).reshape(2, 2, 2), dims=("stimulus", "token", "feature")
    )
    made = to_assembly(make_tree(conv=maps, text=words), model="net")
    np.testing.assert_array_equal(made[0], [*range(12), *range(4)])
    np.testing.assert_array_equal(made[1], [*range(12, 24), *range(4, 8)])
    assert made.dims == ("presentation", "neuroid")
    assert made.dtype == np.float32
    assert made.attrs == {"identifier": "net", "stimulus_set_identifier": "f00d"}
    assert made.stimulus_id.values.tolist() == ["a", "b"]
    assert made.repetition.values.tolist() == [0, 0]
    assert made.neuroid_id.values.tolist() == [f"net.conv.{i}" for i in range(12)] + [
        f"net.text.{i}" for i in range(4)
    ]
    assert made.layer.values.tolist() == ["conv"] * 12 + ["text"] * 4
    assert set(made.model.values) == {"net"}
    assert made.neuroid_num.values.tolist() == [*range(12), *range(4)]
    no = [-1] * 4
    assert made.channel.values.tolist() == [0] * 6 + [1] * 6 + no
    assert made.channel_y.values.tolist() == [0, 0, 0, 1, 1, 1] * 2 + no
    assert made.channel_x.values.tolist() == [0, 1, 2] * 4 + no
    assert made.token.values.tolist() == [-1] * 12 + [0, 0, 1, 1]
    assert made.feature.values.tolist() == [-1] * 12 + [0, 1, 0, 1]
    assert not made.indexes


def test_values_are_those_of_the_ops(acts):
    made = to_assembly(acts)
    arrays = {
        node["activation"].attrs["op"]: node["activation"]
        for node in acts.subtree
        if node.data_vars
    }
    assert list(dict.fromkeys(made.layer.values)) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(
            made[:, made.layer.values == name], array.values.reshape(5, -1)
        )
    assert made.attrs["identifier"] == "Net"
    assert made.attrs["stimulus_set_identifier"] == acts.attrs["stimulus_hash"]
    assert {"channel_temporal", "dim_1"}.isdisjoint(made.coords)


def test_an_axis_renamed_beside_a_branch_is_the_same_axis():
    array = xr.DataArray(np.zeros((2, 3), np.float32), dims=("stimulus", "model_feature"))
    assert to_assembly(make_tree(add=array)).feature.values.tolist() == [0, 1, 2]


def test_one_number_per_stimulus_and_frames():
    one = xr.DataArray(np.ones(2, np.float64), dims="stimulus")
    film = xr.DataArray(
        np.zeros((2, 1, 2, 1, 1), np.float32), dims=("stimulus", "channel", "frame", "y", "x")
    )
    made = to_assembly(make_tree(mean=one, film=film))
    assert made.dtype == np.float64
    assert made.channel_temporal.values.tolist() == [-1, 0, 1]


def test_ops_are_chosen_by_name_and_pattern_in_the_order_of_the_tree(acts):
    made = to_assembly(acts, ops=["conv*", "/sum"])
    assert list(dict.fromkeys(made.layer.values)) == ["/sum", "conv/conv2d"]
    assert made.sizes["neuroid"] == 12 + 2
    with pytest.raises(UnknownNameError, match="no op named 'conv/conv3d'. Closest: 'conv/conv2d'"):
        to_assembly(acts, ops="conv/conv3d")
    with pytest.raises(InputError, match="at least one op, got an empty list"):
        to_assembly(acts, ops=[])


def test_a_store_gives_the_same_assembly(acts, rng, tmp_path):
    stimuli = nl.load_stimuli(rng.standard_normal((5, 3, 2, 3)).astype(np.float32))
    memory = nl.extract_activations(Net(), stimuli, quiet=True)
    stored = nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    xr.testing.assert_identical(to_assembly(memory), to_assembly(stored))


def test_what_cannot_be_an_assembly_is_refused(acts, monkeypatch):
    with pytest.raises(
        InputError,
        match=r"must be the DataTree of .*, got Dataset. Type to_assembly\(open_activations",
    ):
        to_assembly(xr.Dataset())
    with pytest.raises(InputError, match="must be the DataTree of extract_activations"):
        to_assembly(xr.DataTree())
    wave = xr.DataArray(np.zeros((2, 3), np.complex64), dims=("stimulus", "feature"))
    with pytest.raises(InputError, match="must hold real values, but these ops are complex: 'fft'"):
        to_assembly(make_tree(fft=wave))
    monkeypatch.setattr(assemblies, "MAX_NEUROIDS", 20)
    with pytest.raises(
        InputError,
        match=r"holds 20 neuroids at most, got \d+ of \d+ ops.*Take fewer, such as ops='/sum', or extract with",
    ):
        to_assembly(acts)
    assert to_assembly(acts, ops="conv/conv2d").sizes["neuroid"] == 12


def test_an_assembly_serves_as_responses(acts):
    made = to_assembly(acts, ops="conv/conv2d")
    of_ops = nl.compute_rdms(acts, metric="euclidean").sel(op="conv/conv2d", drop=True)
    np.testing.assert_allclose(nl.compute_rdms(made, metric="euclidean"), of_ops, atol=1e-6)
