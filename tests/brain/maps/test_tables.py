"""Maps as tables: one row for each neuroid."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brains import label_responses
from hypothesis import given
from hypothesis import strategies as st

from neurolens.brain import read_map, write_map
from neurolens.errors import DataError, InputError


def build_values(like, values, **coords):
    return xr.DataArray(
        values,
        dims=(*coords, "neuroid"),
        coords={**coords, "neuroid_id": ("neuroid", like.neuroid_id.values)},
        name="r",
    )


@given(
    numbers=st.lists(st.floats(), min_size=4, max_size=4),
    label=st.text("ab=,\"' \n;é/", min_size=1),
)
def test_double_precision_is_read_back_exactly(tmp_path_factory, numbers, label):
    """No image or grid is needed; names may hold what separates columns."""
    folder = tmp_path_factory.mktemp("tables")
    like = label_responses(np.zeros((3, 4)), region=["V1", "V1", "IT, posterior", "IT"])
    label = f"<{label}>"
    values = build_values(like, np.array([numbers, numbers[::-1]]), op=[label, "b"])
    path = write_map(values, folder / "m.csv", like=like)
    found = read_map(path, like=like)
    np.testing.assert_array_equal(found, values)
    assert found.op.values.tolist() == [label, "b"]


def test_what_a_table_holds(tmp_path):
    like = label_responses(np.zeros((3, 3)), region=["V1", "V1", "IT"], subject=["s1"] * 3)
    like = like.assign_coords(voxel_x=("neuroid", [1.5, np.nan, 3]))
    values = build_values(like, [0.1, np.nan, 3.0])[::-1]
    path = write_map(values, tmp_path / "m.csv", like=like)
    assert path.read_text() == (
        "neuroid_id,region,subject,voxel_x,value\n"
        "n0,V1,s1,1.5,0.1\n"
        "n1,V1,s1,n/a,n/a\n"
        "n2,IT,s1,3.0,3.0\n"
    )
    found = read_map(path, like=like)
    assert found.dims == ("neuroid",)
    np.testing.assert_array_equal(found, [0.1, np.nan, 3.0])
    turned = read_map(path, like=like.isel(neuroid=[2, 0]))
    np.testing.assert_array_equal(turned, [3.0, 0.1])


def test_texts(tmp_path):
    like = label_responses(np.zeros((3, 3)))
    values = build_values(like, ["0", "", "relu"])
    path = write_map(values, tmp_path / "m.csv", like=like)
    assert pd.read_csv(path, keep_default_na=False).label.tolist() == ["0", "n/a", "relu"]
    assert read_map(path, like=like).values.tolist() == ["0", "", "relu"]


def test_neuroids_without_a_value(tmp_path):
    like = label_responses(np.zeros((3, 3)))
    some = build_values(like, [1.0, 2.0, 3.0])[:2]
    found = read_map(write_map(some, tmp_path / "a.csv", like=like), like=like)
    np.testing.assert_array_equal(found, [1, 2, np.nan])
    found = read_map(write_map(some, tmp_path / "b.csv", like=like, outside=0), like=like)
    np.testing.assert_array_equal(found, [1, 2, 0])


def test_tables_that_do_not_fit(tmp_path):
    like = label_responses(np.zeros((3, 3)))
    path = write_map(build_values(like, [1.0, 2.0, 3.0]), tmp_path / "a.csv", like=like)
    with pytest.raises(DataError, match="a.csv exists. Pass overwrite=True"):
        write_map(build_values(like, [1.0, 2.0, 3.0]), path, like=like)
    more = label_responses(np.zeros((3, 4)))
    with pytest.raises(InputError, match="a.csv lacks 1 of the 4 neuroids .* e.g. 'n3'"):
        read_map(path, like=more)
    for text, message in [
        ("id,value\nn0,1\n", "has no column 'neuroid_id'"),
        ("neuroid_id,r\nn0,1\n", "has no column 'value'"),
        ("neuroid_id,value\nn0,1\nn1,x\nn2,3\n", "must hold numbers in 'value', got 'x'"),
        ("neuroid_id,value a=1,value b=1\nn0,1,1\nn1,1,1\nn2,3,1\n", "values of several kinds"),
    ]:
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_map(path, like=like)
