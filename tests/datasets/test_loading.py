"""Loading: options, terms, what the card promises, and what a Dataset says of itself."""

import numpy as np
import pytest
import xarray as xr
from recipes import PREPARE, write_files, write_recipe

import neurolens as nl
from neurolens.datasets import Dataset, cards
from neurolens.errors import DataError, InputError, UnknownNameError


@pytest.fixture
def write(tmp_path, monkeypatch):
    recipes = tmp_path / "recipes"
    monkeypatch.setattr(cards, "find_recipes", lambda: recipes)
    monkeypatch.setattr("neurolens.datasets.loading.find_recipes", lambda: recipes)
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    write_files(tmp_path / "copy")

    def write_layout(more="", prepare=PREPARE, files=""):
        layout = '[layout]\ndata = "{subject}/data.txt"\n'
        more = f'where = "Ask."\n{more}'
        write_recipe(recipes, more=more, prepare=prepare, files=layout + files)
        return lambda **options: nl.load_dataset("small", folder=tmp_path / "copy", **options)

    return write_layout


def test_options_are_handed_to_the_recipe(write):
    load = write()
    assert load(scale=2).responses.values[:, 0].tolist() == [3.0, 50.5]


@pytest.mark.parametrize("name", ["scal", "raw", "voxels"])
def test_an_unknown_option_is_told_with_those_that_are_known(write, name):
    with pytest.raises(
        UnknownNameError, match=rf"no option of data set 'small' named '{name}'.*It takes scale\."
    ):
        write()(**{name: 3})


def test_a_recipe_without_options_says_so(write):
    load = write(prepare=PREPARE.replace(", scale=1", "").replace(" * scale", ""))
    with pytest.raises(InputError, match="'small' takes no options, got 'scale'"):
        load(scale=3)


def test_a_mistake_inside_a_recipe_is_not_hidden(write):
    with pytest.raises(TypeError, match="unsupported operand|can't multiply"):
        write()(scale=None)


def test_terms_are_printed_and_have_to_be_accepted(write, capsys):
    load = write(more="accept_terms = true")
    with pytest.raises(
        InputError,
        match=r"'small' asks you to accept its terms.*load_dataset\('small', accept_terms=True",
    ):
        load()
    assert "Be kind." in capsys.readouterr().out
    with pytest.raises(InputError, match="accept its terms"):
        load(accept_terms="yes", quiet=True)
    capsys.readouterr()
    assert load(accept_terms=True).responses is not None
    assert capsys.readouterr().out == ""


def test_terms_that_need_no_accepting_are_not_printed(write, capsys):
    write()()
    assert capsys.readouterr().out == ""


def test_what_was_asked_for_is_what_comes(write):
    load = write()
    assert load(regions="V2").regions == ["V2"]
    with pytest.raises(UnknownNameError, match="no region of data set 'small' named 'V4'"):
        load(regions="V4")
    with pytest.raises(UnknownNameError, match="no subject of data set 'small' named 's3'"):
        load(subjects=["s1", "s3"])


def test_a_recipe_that_ignores_what_was_asked_for_is_found_out(write):
    load = write(prepare=PREPARE.replace("regions or", "None or"))
    with pytest.raises(
        DataError, match=r"gives the regions \['V1', 'V2'\], and \['V2'\] were asked"
    ):
        load(regions="V2")


def test_what_the_card_promises_is_checked(write):
    load = write(files="[check]\nn_stimuli = 3\n")
    with pytest.raises(DataError, match="has n_stimuli 0, its card says 3"):
        load()


def test_a_part_that_is_missing_is_told(write):
    load = write(prepare=PREPARE.replace('{"responses"', '{} and {"responses"'))
    with pytest.raises(DataError, match="lacks 'responses', which its card promises"):
        load()


def test_a_data_set_says_what_it_is(write):
    data = write()()
    text = repr(data)
    assert text.startswith("<Dataset small: A small set\n")
    assert "responses  {'presentation': 2, 'neuroid': 2}" in text
    assert "read       8 B of files" in text
    assert text.endswith("regions    V1, V2>")
    assert data.citation == "Nobody (2000)."


def test_splits_are_told():
    card = {"key": "k", "title": "t"}
    data = Dataset(
        card, splits={"shared": {"test": ["a"], "train": ["b", "c"]}}, bytes_read=2_345_678
    )
    assert "split      shared: 1 test, 2 train" in repr(data)
    assert "read       2.35 MB of files" in repr(data)


def test_regions_that_overlap_are_named():
    coords = {"region_V1": ("neuroid", [True, True]), "region_V2": ("neuroid", [True, False])}
    coords["region_note"] = ("neuroid", ["a", "b"])
    responses = xr.DataArray(np.zeros((1, 2)), dims=("presentation", "neuroid"), coords=coords)
    assert Dataset({}, responses=responses).regions == ["V1", "V2"]
    assert Dataset({}).regions == []
