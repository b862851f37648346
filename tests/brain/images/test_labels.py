import pandas as pd
import pytest

from neurolens.brain.images.labels import read_labels
from neurolens.errors import InputError


def test_two_columns_of_numbers():
    """One may count rows: with it each region would have the name of its neighbor."""
    names = ["V1", "V2", "V3"]
    table = pd.DataFrame({"index": [0, 1, 2], "value": [1, 2, 3], "name": names})
    with pytest.raises(InputError, match="has numbers in 'index' and others in 'value'"):
        read_labels(table)
    assert read_labels(table.drop(columns="index")) == {1: "V1", 2: "V2", 3: "V3"}
    assert read_labels(table.assign(index=table["value"])) == {1: "V1", 2: "V2", 3: "V3"}
    described = pd.DataFrame({"index": [1, 2, 3], "label": names, "region": ["occipital"] * 3})
    assert set(read_labels(described).values()) == {"occipital"}
