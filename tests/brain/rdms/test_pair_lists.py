"""Lists of pairs, as tables and as files."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import squareform

from neurolens.brain import read_rdms
from neurolens.errors import InputError, LabelError

IDS = ["cat", "dog", "cup", "car", "bee"]


@pytest.fixture
def square(rng):
    return squareform(rng.uniform(0.1, 1, 10))


@pytest.fixture
def table(square) -> pd.DataFrame:
    rows = [(IDS[i], IDS[j], square[i, j]) for i, j in itertools.combinations(range(len(IDS)), 2)]
    return pd.DataFrame(rows, columns=["stimulus_1", "stimulus_2", "dissimilarity"])


@pytest.mark.parametrize("name", ["", "rdm.csv", "rdm.tsv"])
def test_a_list_is_its_square(square, table, rng, tmp_path, name):
    """Pairs may be in any order, and either way round."""
    table = table.sample(frac=1, random_state=1)
    turned = rng.random(10) < 0.5
    names = table[["stimulus_1", "stimulus_2"]].to_numpy()
    names[turned] = names[turned, ::-1]
    table[["stimulus_1", "stimulus_2"]] = names
    source = table
    if name:
        source = tmp_path / name
        table.to_csv(source, index=False, sep="," if name.endswith("csv") else "\t")
    found = read_rdms(source, ids=IDS, regions="IT", subjects="S1", metric="judged")
    assert found.dims == ("region", "subject", "stimulus", "stimulus_2")
    np.testing.assert_allclose(found.sel(region="IT", subject="S1"), square, rtol=1e-12)
    assert found.attrs["metric"] == "judged"
    order = list(dict.fromkeys(names.ravel().tolist()))
    assert read_rdms(source).stimulus.values.tolist() == order


def test_pairs_given_twice(square, table):
    both = table.rename(columns={"stimulus_1": "stimulus_2", "stimulus_2": "stimulus_1"})
    same = pd.DataFrame({"stimulus_1": IDS, "stimulus_2": IDS, "dissimilarity": 0.0})
    found = read_rdms(pd.concat([table, both, same]), ids=IDS)
    np.testing.assert_array_equal(found[0, 0], square)
    both["dissimilarity"] += 0.1
    with pytest.raises(
        InputError, match=r"two numbers for the pair of 'cat' and 'dog', .* Average"
    ):
        read_rdms(pd.concat([table, both]))
    with pytest.raises(InputError, match=r"gives 'cat' a dissimilarity of 1 from itself, not 0"):
        read_rdms(pd.concat([table, same.assign(dissimilarity=1.0)]))


def test_pairs_that_are_missing(square, table):
    table = table.rename(columns={"dissimilarity": "distance"})
    table.loc[1, "distance"] = np.nan
    with pytest.warns(RuntimeWarning, match="NaN"):
        found = read_rdms(table.drop(index=0), ids=IDS)[0, 0]
    assert np.isnan(found.values).sum() == 4
    assert found.sel(stimulus="cup", stimulus_2="car").item() == square[2, 3]


def test_numbers_are_ids_too(table):
    numbers = table.replace(dict(zip(IDS, range(5), strict=True)))
    assert read_rdms(numbers).stimulus.values.tolist() == [0, 1, 2, 3, 4]


def test_tables_that_are_no_lists(table):
    with pytest.raises(
        InputError, match=r"is a list of pairs, .* got 'stimulus_1', 'stimulus_2', 'r"
    ):
        read_rdms(table.rename(columns={"dissimilarity": "rating"}))
    with pytest.raises(
        InputError, match=r"select the rows of one RDM, and leave out other columns"
    ):
        read_rdms(table.assign(subject="S1"))
    with pytest.raises(
        InputError, match=r"the dissimilarity of the RDM must be numbers, got 'far'"
    ):
        read_rdms(table.astype(object).replace(table.dissimilarity[0], "far"))
    with pytest.raises(InputError, match="must be finite"):
        read_rdms(table.replace(table.dissimilarity[0], np.inf))
    with pytest.raises(LabelError, match="a pair of the RDM lacks the name of a stimulus"):
        read_rdms(table.replace("cat", None))
