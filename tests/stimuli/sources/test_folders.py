"""Folders: every file counts, ids are paths, sub-folders are categories."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError, LabelError
from neurolens.stimuli.sources.folders import name_files

LETTERS = st.text("abc. -", min_size=1, max_size=4).filter(
    lambda text: text.strip(". ") and not text.startswith(".")
)


def save(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    for level, name in enumerate(("cars/b", "animals/a", "animals/dogs/a", "top")):
        save(folder / f"{name}.png", level)
    return folder


def test_ids_are_paths_and_sub_folders_are_categories(folder):
    stimuli = nl.load_stimuli(folder, transform=None)
    assert stimuli.ids == ("animals/a", "animals/dogs/a", "cars/b", "top")
    assert list(stimuli.metadata.category) == ["animals", "animals/dogs", "cars", ""]
    for level, name in enumerate(("cars/b", "animals/a", "animals/dogs/a", "top")):
        assert (stimuli[name] == level).all()


def test_ids_do_not_depend_on_other_files(folder):
    before = nl.load_stimuli(folder).ids
    save(folder / "cars" / "a.png")
    after = nl.load_stimuli(folder).ids
    assert set(after) - set(before) == {"cars/a"}
    assert set(before) <= set(after)


def test_a_flat_folder_has_plain_names_and_no_category(tmp_path):
    save(tmp_path / "x.y.png")
    stimuli = nl.load_stimuli(tmp_path)
    assert stimuli.ids == ("x.y",)
    assert "category" not in stimuli.metadata


@given(st.sets(st.tuples(LETTERS, LETTERS), min_size=1, max_size=8))
def test_ids_are_as_many_as_files(parts):
    from pathlib import Path

    paths = [Path("f") / a / f"{b}.png" for a, b in parts]
    ids = name_files(paths, Path("f"))
    assert len(set(ids)) == len(parts)
    assert [Path("f") / f"{name}.png" for name in ids] == paths


def test_two_suffixes_of_one_name_are_refused(folder):
    Image.new("RGB", (4, 4)).save(folder / "top.jpg")
    with pytest.raises(LabelError, match="these repeat: 'top'"):
        nl.load_stimuli(folder)


def test_what_is_left_out_is_told_but_for_hidden_files(folder):
    (folder / "cars" / "notes.txt").write_text("x")
    (folder / "table.csv").write_text("x")
    for hidden in (".DS_Store", "Thumbs.db"):
        (folder / hidden).write_text("x")
    save(folder / ".ipynb_checkpoints" / "top.png")
    with pytest.warns(
        RuntimeWarning,
        match=r"2 of the files in .* are left out, not being images: 'cars/notes.txt', 'table.csv'",
    ):
        stimuli = nl.load_stimuli(folder)
    assert len(stimuli) == 4


def test_links_are_followed_and_circles_refused(folder, tmp_path):
    save(tmp_path / "other" / "c.png")
    (folder / "linked").symlink_to(tmp_path / "other")
    assert "linked/c" in nl.load_stimuli(folder).ids
    (tmp_path / "other" / "back").symlink_to(folder)
    with pytest.raises(InputError, match=r"linked/back' contains itself by a link. Remove"):
        nl.load_stimuli(folder)


def test_metadata_of_the_user_stand_beside_the_category(folder):
    ids = nl.load_stimuli(folder).ids
    table = pd.DataFrame({"size": range(4)}, index=ids[::-1])
    stimuli = nl.load_stimuli(folder, metadata=table)
    assert list(stimuli.metadata["size"]) == [3, 2, 1, 0]
    assert stimuli.metadata.category["cars/b"] == "cars"
    same = pd.DataFrame({"category": stimuli.metadata.category})
    assert list(nl.load_stimuli(folder, metadata=same).metadata.columns) == ["category"]
    same.loc["top"] = "none"
    with pytest.raises(InputError, match="says category='none' of 'top', and the source ''"):
        nl.load_stimuli(folder, metadata=same)


def test_a_column_of_ids_needs_a_table(folder):
    with pytest.raises(InputError, match="got 'category', which would be a column of a table"):
        nl.load_stimuli(folder, ids="category")


def test_a_single_file_is_a_set_of_one(folder):
    assert nl.load_stimuli(folder / "cars" / "b.png").ids == ("b",)


def test_files_of_several_kinds_ask_for_one(folder):
    shutil.copy(folder / "top.png", folder / "sound.wav")
    with pytest.raises(
        InputError, match=r"holds stimuli of several kinds: picture \('a.png'\), sound \('sound.w"
    ):
        nl.load_stimuli(folder)
    with pytest.warns(RuntimeWarning, match="1 of the files .* is left out, not being images"):
        assert len(nl.load_stimuli(folder, kind="picture")) == 4


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (3, "kind must be one of 'picture', 'sound', 'video', 'text', or their settings, got int"),
        ({"image": "picture"}, "kind= as a dict is for stimuli of several inputs"),
    ],
)
def test_kinds_that_cannot_be_used(kind, message, folder):
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(folder, kind=kind)


def test_a_folder_without_stimuli_of_the_kind(folder):
    with pytest.raises(InputError, match=r"no sounds in .*; looked for .flac, .mp3"):
        nl.load_stimuli(folder, kind="sound")


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".ipynb_checkpoints"])
def test_folders_that_systems_write_beside_pictures(name, folder):
    ids = nl.load_stimuli(folder).ids
    copies = folder / "cars" / name / "b.png"
    copies.mkdir(parents=True)
    shutil.copy(folder / "top.png", copies / "SYNOPHOTO_THUMB_M.jpg")
    assert nl.load_stimuli(folder).ids == ids
