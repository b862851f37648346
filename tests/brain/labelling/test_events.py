import numpy as np
import pandas as pd
import pytest

from neurolens.brain.labelling.events import label_presentations, read_events
from neurolens.errors import DataError, InputError, LabelError


def read(events, n=3):
    return read_events(events, [n], ["betas.nii"])


@pytest.mark.parametrize("ids", [["007", "7", "07"], ["1.10", "1.1", "01"], ["1e1", "10", "x"]])
def test_ids_stay_as_they_are_written(tmp_path, ids):
    """Numbers of which two would be the same remain different stimuli."""
    path = tmp_path / "events.tsv"
    path.write_text("onset\ttrial_type\n" + "".join(f"{k}.5\t{i} \n" for k, i in enumerate(ids)))
    table = read(path)
    assert table.stimulus_id.tolist() == ids
    if ids[0] == "007":
        with pytest.warns(RuntimeWarning, match="3 stimuli differ only in .* '007', '7', '07'"):
            label_presentations(table)
    else:
        assert label_presentations(table)["onset"][1].tolist() == [0.5, 1.5, 2.5]
    one = tmp_path / "one.tsv"
    one.write_text("trial_type\n001\n")
    two = tmp_path / "two.tsv"
    two.write_text("trial_type\n001\nface\n")
    both = read_events([one, two], [1, 2], ["a.nii", "b.nii"])
    assert both.stimulus_id.tolist() == ["001", "001", "face"]


def test_ids_written_in_two_ways_are_told(tmp_path):
    """pandas writes 7 as 7.0 in a table where a number is missing in another row."""
    paths = [tmp_path / "one.tsv", tmp_path / "two.tsv"]
    for path, ids in zip(paths, (["7", "8", "x9"], ["7.0", "10.0", "x09"]), strict=True):
        path.write_text("trial_type\n" + "\n".join(ids) + "\n")
    table = read_events(paths, [3, 3], ["a.nii", "b.nii"])
    with pytest.warns(RuntimeWarning, match="2 stimuli differ only in .* '7', '7.0', and are ta"):
        label_presentations(table)


def test_columns_without_any_stimulus_are_passed_over():
    table = pd.DataFrame({"stim_file": ["n/a"] * 3, "trial_type": list("abc")})
    assert read(table).stimulus_id.tolist() == list("abc")
    with pytest.raises(LabelError, match="'stim_file' is empty in 3 rows"):
        read(table[["stim_file"]])
    used = table.assign(stim_file=["1.png", "2.png", "3.png"])
    with pytest.raises(InputError, match="in all tables of events, got 'trial_type', 'stim_file'"):
        read_events([table, used], [3, 3], ["a.nii", "b.nii"])


def test_columns_named_as_time_bins():
    table = read(pd.DataFrame({"stimulus": list("abc"), "time_bin": [1, 2, 3]}))
    assert "event_time_bin" in label_presentations(table)


def test_ids_of_tables_in_memory():
    assert read(pd.DataFrame({"stimulus": [7.0, 8.0, 9.0]})).stimulus_id.tolist() == list("789")
    assert read([7, 8, 9]).stimulus_id.tolist() == list("789")
    assert read(np.array(["a", "b", "c"])).stimulus_id.tolist() == list("abc")
    named = pd.DataFrame({"run": [1, 1, 2]}, index=pd.Index(list("abc"), name="stimulus_id"))
    assert read(named).stimulus_id.tolist() == list("abc")


def test_names_that_mean_something_else_are_changed():
    table = read(pd.DataFrame({"stimulus": list("abc"), "voxel_x": [1, 2, 3], "image": [4, 5, 6]}))
    coords = label_presentations(table)
    assert set(coords) == {"stimulus_id", "event_stimulus", "event_voxel_x", "event_image"}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("a\ttrial_type\n1\tx\t\n", InputError, "line 2 of e.tsv has 3 values for 2 columns"),
        ("trial_type\ttrial_type\nx\ty\n", InputError, "several columns named 'trial_type'"),
        ("", DataError, "it is empty"),
        ("1\t2\n3\t4\n", InputError, "has no header: its first line holds numbers only"),
        ("trial_type\nx\nNaN\nn/a\n", LabelError, "empty in 2 rows, first in row 1"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, error, message):
    path = tmp_path / "e.tsv"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read(path)
    path.write_bytes(b"trial_type\n\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read as a table in UTF-8"):
        read(path)


def test_lists_that_are_no_ids():
    with pytest.raises(InputError, match=r"must be a list of texts or numbers, got shape \(3, 1\)"):
        read(np.array([["a"], ["b"], ["c"]]))
    with pytest.raises(LabelError, match="'stimulus_id' is empty in 1 rows"):
        read(["a", None, "b"])


def test_words_are_no_missing_values():
    assert read(["none", "null", "NA"]).stimulus_id.tolist() == ["none", "null", "NA"]


def test_changed_names_replace_no_other():
    table = read(
        pd.DataFrame({"stimulus": list("abc"), "region": [1, 2, 3], "event_region": [4] * 3})
    )
    with pytest.raises(InputError, match="events have two columns for 'event_region'"):
        label_presentations(table)
