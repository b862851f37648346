"""Tables: stimuli by id, each once, with metadata that hold for all of its rows."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError, MissingToolError, UnknownNameError
from neurolens.stimuli.sources.tables import read_table


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for level, name in enumerate(("cat", "dog", "car")):
        Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(
            tmp_path / "images" / f"{name}.png"
        )
    return tmp_path


TABLE = pd.DataFrame(
    {
        "stimulus_id": ["007", "1e5", "None"],
        "path": ["images/cat.png", "images/dog.png", "images/car.png"],
        "category": ["animal", "animal", "None"],
        "size": [1.5, 2, None],
    }
)


def change(**columns):
    return TABLE.assign(**columns)


def save(table, path):
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_every_column_but_files_and_ids_is_metadata(suffix, folder):
    stimuli = nl.load_stimuli(save(TABLE, folder / f"t.{suffix}"), transform=None)
    assert stimuli.ids == ("007", "1e5", "None")
    assert list(stimuli.metadata.columns) == ["category", "size"]
    assert list(stimuli.metadata.category) == ["animal", "animal", "None"]
    assert stimuli.metadata["size"].tolist()[:2] == [1.5, 2]
    assert np.isnan(stimuli.metadata["size"].iloc[2])
    assert [int(stimuli[name].max()) for name in stimuli.ids] == [0, 1, 2]


def test_a_table_in_memory_and_names_of_files_as_ids(folder, monkeypatch):
    monkeypatch.chdir(folder)
    stimuli = nl.load_stimuli(TABLE.drop(columns="stimulus_id"))
    assert stimuli.ids == ("cat", "dog", "car")
    by_index = nl.load_stimuli(TABLE.set_index("stimulus_id"))
    assert by_index.ids == ("007", "1e5", "None")
    chosen = nl.load_stimuli(TABLE.rename(columns={"stimulus_id": "nsd"}), ids="nsd")
    assert chosen.ids == ("007", "1e5", "None")
    assert list(chosen.metadata.columns) == ["category", "size"]


@pytest.mark.parametrize("column", ["stimulus_id", "nsd"])
def test_numbers_as_ids_keep_their_zeros(column, folder):
    table = change(stimulus_id=["007", "008", "1.50"]).rename(columns={"stimulus_id": column})
    path = save(table, folder / "t.csv")
    ids = None if column == "stimulus_id" else column
    assert nl.load_stimuli(path, ids=ids).ids == ("007", "008", "1.50")


def test_ids_in_another_column_are_read_as_written(folder):
    path = save(TABLE.rename(columns={"stimulus_id": "nsd"}), folder / "t.csv")
    assert nl.load_stimuli(path, ids="nsd").ids == ("007", "1e5", "None")
    with pytest.raises(InputError, match="has no column 'cocoId' for ids=; its columns are 'nsd'"):
        nl.load_stimuli(path, ids="cocoId")


@pytest.mark.parametrize("where", ["images", "stimuli", "bids"])
def test_files_are_found_beside_the_table(where, folder):
    table = pd.DataFrame({"stim_file": ["cat.png", "dog.png"]})
    place = folder
    if where == "stimuli":
        (folder / "images").rename(folder / "stimuli")
    if where == "bids":
        (folder / "images").rename(folder / "stimuli")
        (folder / "dataset_description.json").write_text(json.dumps({"Name": "x"}))
        place = folder / "sub-01" / "func"
        place.mkdir(parents=True)
    assert nl.load_stimuli(save(table, place / "t.tsv")).ids == ("cat", "dog")


def test_files_in_two_places_are_refused(folder):
    Image.new("RGB", (4, 4)).save(folder / "cat.png")
    path = save(pd.DataFrame({"file": ["cat.png"]}), folder / "t.csv")
    with pytest.raises(InputError, match="are in several folders: .*Write their paths in full"):
        nl.load_stimuli(path)


def test_events_show_each_stimulus_once(folder):
    events = pd.DataFrame(
        {
            "onset": [0.0, 1, 2, 3, 4],
            "stim_file": ["dog.png", "cat.png", "n/a", "dog.png", "cat.png"],
            "animal": ["dog", "cat", "n/a", "dog", "cat"],
            "response": [1, 1, 1, 0, 1],
        }
    )
    path = save(events, folder / "events.tsv")
    with (
        pytest.warns(RuntimeWarning, match="1 of 5 rows of .*events.tsv' name no stimulus in 'sti"),
        pytest.warns(
            RuntimeWarning,
            match="the 4 rows of .* show 2 stimuli, .*differ between its rows: 'onset', 'response'",
        ),
    ):
        stimuli = nl.load_stimuli(path)
    assert stimuli.ids == ("dog", "cat")
    assert list(stimuli.metadata.columns) == ["animal"]
    assert list(stimuli.metadata.animal) == ["dog", "cat"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.drop(columns="path"), "must have one column of files, named 'path', 'file', "),
        (change(image="images/cat.png"), "must have one column of files.*Rename the others"),
        (change(path="images/no.png"), "3 of the 3 files of .*t.csv' do not exist: 'images/no"),
        (change(path=["a", "b", ""], stimulus_id=1), "the stimulus '1' of .* is 'a' and 'b'. Cor"),
        (change(stimulus_id=["a", "", "b"]), "1 rows of .*t.csv' have no id in 'stimulus_id'"),
        (change(path=""), "names no stimulus in its column 'path'"),
    ],
    ids=lambda _: "",
)
@pytest.mark.filterwarnings("ignore:.*rows of")
def test_tables_that_name_no_stimuli(table, message, folder):
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(save(table, folder / "t.csv"))


def test_two_files_of_one_name_need_ids(folder):
    table = pd.DataFrame({"path": ["a/cat.png", "b/cat.png"]})
    with pytest.raises(InputError, match="'cat' of the table is 'a/cat.png' and 'b/cat.png'. Add"):
        nl.load_stimuli(table)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"path,a\nx.png,1,2\n", b""])
def test_broken_tables_are_named(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"t.csv' cannot be read as a table"):
        nl.load_stimuli(tmp_path / "t.csv")
    (tmp_path / "t.parquet").write_bytes(content)
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=r"t.parquet' cannot be read as a table"):
        nl.load_stimuli(tmp_path / "t.parquet")


def test_parquet_names_its_package(folder, monkeypatch):
    path = save(TABLE, folder / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingToolError, match="is read by pyarrow, .*pip install pyarrow"):
        nl.load_stimuli(path)


def test_a_table_written_with_its_row_numbers_and_a_mark_of_bytes(folder):
    TABLE.to_csv(folder / "t.csv", encoding="utf-8-sig")
    assert list(nl.load_stimuli(folder / "t.csv").metadata.columns) == ["category", "size"]


def test_texts_in_a_table():
    table = pd.DataFrame({"stimulus_id": [3, 4], "sentence": ["a cat", "a dog"], "n": [1, 2]})
    stimuli = nl.load_stimuli(table, kind="text")
    assert stimuli.ids == ("3", "4")
    words = nl.load_stimuli(table, kind=nl.stimuli.Text("word"))
    assert words.ids == ("3@0", "3@1", "4@0", "4@1")
    assert list(words.metadata.n) == [1, 1, 2, 2]
    assert nl.load_stimuli(table.drop(columns="stimulus_id"), kind="text").ids[0] == "stim000"


def test_metadata_go_with_their_ids(folder):
    path = save(TABLE, folder / "t.csv")
    more = pd.DataFrame({"rating": [3, 1, 2]}, index=["None", "007", "1e5"])
    stimuli = nl.load_stimuli(path, metadata=more)
    assert stimuli.metadata.rating.to_dict() == {"007": 1, "1e5": 2, "None": 3}
    chosen = stimuli.select(["None", "007"])
    assert list(chosen.metadata.rating) == [3, 1]
    with pytest.raises(UnknownNameError, match="no stimulus named '7'"):
        stimuli.select([7])


def write_columns(folder, **columns):
    table = pd.DataFrame({"path": ["images/cat.png", "images/dog.png", "images/car.png"]} | columns)
    return nl.load_stimuli(save(table, folder / "t.csv")).metadata


def test_numbers_with_zeros_before_them_are_names_in_every_column(folder):
    metadata = write_columns(
        folder, code=["001", "002", "010"], run=["1", "2", "10"], size=["0", "0.5", "-00.25"]
    )
    assert metadata.code.tolist() == ["001", "002", "010"]
    assert metadata.run.tolist() == [1, 2, 10]
    assert metadata.run.dtype.kind == "i"
    assert metadata["size"].tolist() == [0, 0.5, -0.25]


def test_what_cells_note(folder):
    metadata = write_columns(
        folder,
        animate=["TRUE", "FALSE", "TRUE"],
        some=["True", "n/a", "False"],
        rating=["1.25", "n/a", "3e2"],
        nothing=["", "n/a", "NA"],
        name=["nan", "null", "7"],
    )
    assert metadata.animate.tolist() == [True, False, True]
    assert metadata.animate.dtype == bool
    assert metadata.some.tolist()[::2] == ["True", "False"]
    assert metadata.rating.tolist()[::2] == [1.25, 300]
    assert metadata[["some", "rating"]].isna().iloc[1].all()
    assert metadata.nothing.isna().all()
    assert metadata.name.tolist()[1:] == ["null", "7"]


def test_a_long_column_of_numbers_with_gaps_at_its_end(tmp_path):
    """pandas reads long files in parts, took numbers for text in some, and the file was refused."""
    n_each = 2**19
    (tmp_path / "t.csv").write_text("path,rt\n" + "a,1\n" * n_each + "a,n/a\n" * n_each)
    times = read_table(tmp_path / "t.csv").rt
    assert times.dtype == float
    assert np.isnan(times).sum() == n_each


def test_columns_of_one_name(folder):
    table = change().set_axis(["stimulus_id", "path", "kind", "kind"], axis=1)
    table = pd.concat([table, table])
    with pytest.raises(InputError, match="the table has several columns named 'kind'. Rename or"):
        nl.load_stimuli(table)


@pytest.mark.parametrize("in_memory", [False, True])
def test_paths_that_were_written_on_windows(in_memory, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = [rf"images\{name}.png" for name in ("cat", "dog", "car")]
    table = pd.DataFrame({"path": names})
    source = table if in_memory else save(table, folder / "t.csv")
    assert nl.load_stimuli(source).ids == ("cat", "dog", "car")


def test_a_backslash_in_the_name_of_a_file(folder):
    (folder / "images" / "cat.png").rename(folder / r"a\cat.png")
    path = save(pd.DataFrame({"path": [r"a\cat.png"]}), folder / "t.csv")
    assert nl.load_stimuli(path).ids == (r"a\cat",)


def test_a_file_whose_name_is_in_another_form_of_unicode(folder):
    (folder / "images" / "cat.png").rename(folder / "images" / "cafe\u0301.png")
    path = save(pd.DataFrame({"path": ["images/caf\xe9.png"]}), folder / "t.csv")
    message = (
        r"do not exist: .*The file 'cafe\\u0301.png' has the same name as 'images/caf\\xe9.png'"
    )
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(path)
