"""Hashes of what was used change with it, and with nothing else."""

import numpy as np
import pytest
import xarray as xr

from neurolens.cli.analysis.evidence import hash_array


def make_array(**changes):
    values = changes.get("values", np.arange(6.0).reshape(2, 3))
    labels = changes.get("labels", ["a", "b", "c"])
    dims = changes.get("dims", ("stimulus", "neuroid"))
    coords = {"region": (dims[1], np.array(labels, dtype=changes.get("dtype")))}
    return xr.DataArray(values, dims=dims, coords=coords, attrs=changes.get("attrs"))


@pytest.mark.parametrize(
    "changes",
    [
        {"values": np.arange(6.0).reshape(2, 3) + 1e-12},
        {"values": np.arange(6, dtype=np.float32).reshape(2, 3)},
        {"labels": ["a", "c", "b"]},
        {"labels": ["ab", "", "c"]},
        {"dims": ("presentation", "neuroid")},
    ],
)
def test_values_labels_and_dimensions_count(changes):
    assert hash_array(make_array()) != hash_array(make_array(**changes))


def test_attributes_and_the_kind_of_text_do_not_count():
    same = make_array(attrs={"source": "/home/me"}, dtype=object)
    assert hash_array(make_array()) == hash_array(same)
    assert hash_array(make_array()) == hash_array(make_array().copy(deep=True))
    turned = xr.DataArray(
        np.asfortranarray(make_array().values), dims=("stimulus", "neuroid"),
        coords={"region": ("neuroid", ["a", "b", "c"])},
    )  # fmt: skip
    assert hash_array(make_array()) == hash_array(turned)
