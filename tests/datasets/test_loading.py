"""Loading: options, terms, what the card promises, and what a Dataset says of itself."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from recipes import PREPARE, write_files, write_recipe

import neurolens as nl
from neurolens.datasets import Dataset, cards
from neurolens.datasets.loading import check_parts
from neurolens.errors import DataError, InputError, UnknownNameError

CARD = {"key": "small"}
IDS = ["a", "b", "c"]


@pytest.fixture
def write(tmp_path, monkeypatch):
    recipes = tmp_path / "recipes"
    monkeypatch.setattr(cards, "find_recipes", lambda: recipes)
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
        match=r"'small' asks you to accept its terms.*Pass accept_terms=True to load_dataset",
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


def test_a_recipe_of_ones_own_is_loaded_by_its_path(tmp_path, monkeypatch):
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    card = write_recipe(
        tmp_path, "mine", more='where = "Ask."', files='[layout]\ndata = "{subject}/data.txt"'
    )
    copy = write_files(tmp_path / "copy")
    assert nl.describe_dataset(card.parent)["key"] == "mine"
    data = nl.load_dataset(card.parent, folder=copy, scale=2)
    assert data.responses.values[:, 0].tolist() == [3.0, 50.5]
    assert "mine" not in nl.list_datasets()
    monkeypatch.chdir(card.parent)
    assert nl.describe_dataset(Path())["key"] == "mine"


def test_a_text_is_no_path_but_says_how_to_pass_one(tmp_path):
    card = write_recipe(tmp_path, "mine")
    with pytest.raises(UnknownNameError, match=r"recipe of your own, pass pathlib\.Path\('.*mine"):
        nl.load_dataset(str(card.parent))


def test_a_folder_without_a_recipe_is_refused(tmp_path):
    card = write_recipe(tmp_path, "mine")
    (card.parent / "prepare.py").write_text("def prepares(raw): pass\n")
    with pytest.raises(DataError, match=r"mine/prepare.py has no function prepare\(raw"):
        nl.load_dataset(card.parent)
    (card.parent / "prepare.py").unlink()
    with pytest.raises(DataError, match=r"mine lacks 'prepare.py'. A recipe is a folder with"):
        nl.load_dataset(card.parent)
    with pytest.raises(DataError, match=r"nowhere lacks 'card.toml', 'prepare.py'"):
        nl.describe_dataset(tmp_path / "nowhere")


def test_a_recipe_of_ones_own_does_not_take_the_key_of_another(tmp_path):
    card = write_recipe(tmp_path, "nsd")
    with pytest.raises(DataError, match=r"'nsd' is a data set of the package\. Give the recipe"):
        nl.load_dataset(card.parent)
    assert nl.describe_dataset(cards.find_recipes() / "nsd")["key"] == "nsd"


@pytest.fixture
def stimuli():
    return nl.load_stimuli(np.zeros((3, 4)), ids=IDS)


def make_responses(ids=IDS, dims=("presentation", "neuroid"), **coords):
    values = np.zeros((len(ids), 2))
    return xr.DataArray(values, dims=dims, coords={"stimulus_id": (dims[0], ids)} | coords)


def make_rdms(ids=IDS, **names):
    rdms = np.zeros((len(ids), len(ids)))
    labelled = {"stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(rdms, dims=("stimulus", "stimulus_2"), coords=labelled).rename(names)


def test_parts_as_they_should_be_pass(stimuli):
    check_parts({"stimuli": stimuli, "responses": make_responses(), "rdms": make_rdms()}, CARD)
    means = make_responses(dims=("stimulus", "neuroid")).assign_coords(stimulus=IDS)
    check_parts({"responses": means, "splits": {}}, CARD)
    check_parts({"responses": make_responses(["x"])}, CARD)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (None, "must return a dict of .*'splits', got NoneType"),
        ({"betas": 1}, "must return a dict of .*, got 'betas'"),
        ({"stimuli": ["a.png"]}, "stimuli of nl.load_stimuli, got list"),
        ({"responses": np.zeros((3, 2))}, "responses as a DataArray .*, got ndarray"),
        (
            {"responses": make_responses(dims=("presentation", "voxel"))},
            r"got \('presentation', 'voxel'\) with the coordinates 'stimulus_id'",
        ),
        (
            {"responses": make_responses().drop_vars("stimulus_id")},
            "coordinate stimulus_id of presentation.* with the coordinates none",
        ),
        (
            {"responses": make_responses(dims=("stimulus", "neuroid"))},
            r"or \(stimulus, neuroid\) with ids",
        ),
        ({"rdms": make_rdms(stimulus_2="other")}, r"RDMs .*, got \('stimulus', 'other'\)"),
        ({"rdms": make_rdms().drop_vars("stimulus_2")}, "both with ids"),
    ],
)
def test_other_forms_are_refused(parts, told):
    with pytest.raises(DataError, match=f"the recipe of 'small' .*{told}"):
        check_parts(parts, CARD)


def test_data_of_stimuli_that_do_not_come_are_refused(stimuli):
    told = r"responses to 'b\.png', 'd', which are not among its stimuli, such as 'a', 'b', 'c'"
    with pytest.raises(DataError, match=told):
        check_parts(
            {"stimuli": stimuli, "responses": make_responses(["a", "b.png", "a", "d"])}, CARD
        )
    with pytest.raises(DataError, match="RDMs of 'A', which are not among"):
        check_parts({"stimuli": stimuli, "rdms": make_rdms(["A", "b"])}, CARD)
