import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.brain import read_stimulus_set
from neurolens.errors import DataError, InputError, LabelError

TABLE = "image_id,category,angle,filename\nf00,face,10,a/one.png\nc1,car,-5,two.png\n"


@pytest.fixture
def folder(tmp_path, rng):
    (tmp_path / "stimuli/a").mkdir(parents=True)
    for name in ("a/one.png", "two.png"):
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "stimuli" / name)
    (tmp_path / "set.csv").write_text(TABLE)
    return tmp_path


def test_tables_name_files_and_metadata(folder):
    table = read_stimulus_set(folder / "set.csv", folder / "stimuli")
    assert table.index.tolist() == ["f00", "c1"]
    assert table.category.tolist() == ["face", "car"]
    assert table.angle.tolist() == [10, -5]
    stimuli = nl.load_stimuli(list(table.path), ids=table.index, metadata=table)
    assert stimuli.ids == ("f00", "c1")
    assert stimuli.metadata.category.tolist() == ["face", "car"]
    (folder / "stimuli/set.csv").write_text(TABLE.replace("image_id", "stimulus_id"))
    again = read_stimulus_set(folder / "stimuli/set.csv")
    assert again.path.tolist() == table.path.tolist()


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("image_id", "name", InputError, "must have the columns 'stimulus_id' .* got 'name'"),
        ("filename", "file", InputError, "must have the columns"),
        ("c1", "f00", LabelError, "must be unique, but these repeat: 'f00'"),
        ("c1", "", LabelError, "row 1 of set.csv has no 'image_id'"),
        ("two.png", "../set.csv", InputError, "names '../set.csv', which lies outside of"),
        ("two.png", "/etc/passwd", InputError, "names '/etc/passwd', which lies outside of"),
        ("two.png", "three.png", DataError, "1 of 2 files of set.csv are not in .*: 'three.png'"),
    ],
)
def test_tables_that_cannot_be_used(folder, old, new, error, message):
    (folder / "set.csv").write_text(TABLE.replace(old, new))
    with pytest.raises(error, match=message):
        read_stimulus_set(folder / "set.csv", folder / "stimuli")
