import pandas as pd
import pytest

from neurolens.brain.images.labels import read_labels
from neurolens.errors import InputError, LabelError


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


COLORS = """\
#No. Label Name:                R   G   B   A

0   Unknown                     0   0   0   0
1   Left-Cerebral-Exterior      70  130 180 0
1021    ctx-lh-pericalcarine    120 100 60  0
"""


@pytest.mark.parametrize("name", ["FreeSurferColorLUT.txt", "atlas.ctab"])
def test_color_tables_of_freesurfer(tmp_path, name):
    path = tmp_path / name
    path.write_text(COLORS)
    expected = {0: "Unknown", 1: "Left-Cerebral-Exterior", 1021: "ctx-lh-pericalcarine"}
    assert read_labels(path) == read_labels(str(path)) == expected
    path.write_text(COLORS + "1021 again 0 0 0 0\n")
    with pytest.raises(LabelError, match="the numbers of labels"):
        read_labels(path)


def test_other_tables_are_no_color_tables(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("# of an atlas\nindex\tname\n1\tV1\n2\tV2\n")
    assert read_labels(path) == {1: "V1", 2: "V2"}
    path.write_text(COLORS + "2 Left-Cerebral-White-Matter 245\n")
    with pytest.raises(InputError, match=r"one does not: '2 Left-Cerebral-White-Matter 245'"):
        read_labels(path)
