"""The script says what the file says, and nothing in a file can end a text of it."""

import ast

import pytest
from analyses import ENCODING, RSA, write_analysis

from neurolens.cli.analysis.checks import check_document
from neurolens.cli.analysis.documents import read_document
from neurolens.cli.analysis.script.calls import Code, write_call, write_path, write_value
from neurolens.cli.analysis.script.sections import join_sections, name_plainly, write_sections
from neurolens.cli.analysis.templates import TEMPLATES, read_template


def write_script(folder, text, name="analysis.toml"):
    path = write_analysis(folder, text, name)
    return join_sections(write_sections(check_document(read_document(path)), name), name)


def list_calls(script):
    """Return the keywords of each call of a function of ``nl``, by its name."""
    calls = {}
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("nl."):
            named = {one.arg: ast.unparse(one.value) for one in node.keywords}
            calls[ast.unparse(node.func)] = named
    return calls


def test_settings_reach_their_arguments(tmp_path):
    text = RSA.replace("[compare]", '[compare]\ncomparator = "tau-a"\nby = "run"')
    calls = list_calls(write_script(tmp_path, text + '[extract]\nattention = "open"\n'))
    assert calls["nl.compare_rdms"]["comparator"] == "'tau-a'"
    assert calls["nl.compare_rdms"]["by"] == "'run'"
    assert calls["nl.extract_grams"]["attention"] == "'open'"
    assert calls["nl.trace"]["attention"] == "'open'"
    assert calls["nl.brain.read_rdms"]["regions"] == "'V1'"


@pytest.mark.parametrize("text", [RSA, ENCODING])
def test_the_seed_reaches_all_that_is_random(tmp_path, text):
    text = text.replace("[analysis]", "[analysis]\nseed = 3")
    text = text.replace('file = "my_model.py"', 'name = "torchvision/resnet18"')
    calls = list_calls(write_script(tmp_path, text + "[control]\nrandom_weights = true\n"))
    compared = "nl.fit_encoding" if "encoding" in text else "nl.compare_rdms"
    seeded = ["nl.load_model", "nl.extract_grams", "nl.randomize_weights", compared]
    assert {name: calls[name]["rng"] for name in seeded} == dict.fromkeys(seeded, "3")


def test_encoding_is_written_with_its_own_settings(tmp_path):
    text = ENCODING.replace("cv = 2", 'cv = "run"\nfit = "pls"\nn_components = 3')
    calls = list_calls(write_script(tmp_path, text))
    assert calls["nl.fit_encoding"]["cv"] == "'run'"
    assert calls["nl.fit_encoding"]["method"] == "'pls'"
    assert calls["nl.fit_encoding"]["n_components"] == "3"
    assert "select" not in calls["nl.fit_encoding"]
    assert "nl.compare_rdms" not in calls


def test_regions_are_loaded_where_the_data_set_can_and_selected_where_not(tmp_path):
    model = '[model]\nname = "torchvision/resnet18"\n'
    text = f'{model}[brain]\ndataset = "kriegeskorte2008"\nregions = "IT"\n'
    calls = list_calls(write_script(tmp_path, text))
    assert calls["nl.load_dataset"]["regions"] == "'IT'"
    assert "nl.brain.select_regions" not in calls
    text = f'{model}[brain]\ndataset = "planted"\nregions = "IT"\n'
    script = write_script(tmp_path, text)
    assert "regions" not in list_calls(script)["nl.load_dataset"]
    assert 'nl.brain.select_regions(responses, ["IT"])' in script


@pytest.mark.parametrize("kind", TEMPLATES)
def test_scripts_of_the_examples_are_neat(tmp_path, kind):
    text = read_template(kind)
    (tmp_path / "pictures").mkdir()
    for name in ("sub-01_betas.nii.gz", "sub-01_events.tsv", "sub-01_atlas.nii.gz"):
        (tmp_path / name).touch()
    (tmp_path / "sub-01_atlas.tsv").touch()
    script = write_script(tmp_path, text)
    assert max(map(len, script.splitlines())) <= 100
    compile(script, "analysis.py", "exec")


HOSTILE = ["'\"; import os; os.abort() #", '"""', "a\\", "{x}", "é\n'", "%s"]


@pytest.mark.parametrize("title", HOSTILE)
def test_texts_of_the_file_stay_texts(tmp_path, title):
    quoted = title.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    script = write_script(tmp_path, RSA.replace('"small"', f'"{quoted}"'))
    values = [node.value for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Constant)]
    assert title in values
    assert ast.literal_eval(write_value(title)) == title


def test_names_of_files_cannot_end_the_first_text(tmp_path):
    assert name_plainly('a"""\nb.toml') == "a____b.toml"
    ast.parse(write_script(tmp_path, RSA, 'a"b\\.toml'))


def test_long_calls_take_several_lines():
    assert write_call("x", "f", [1], {"a": "b"}) == 'x = f(1, a="b")'
    long = write_call("return", "f", [Code("y")], {"a": "b" * 80}, indent=4)
    assert long.splitlines()[0] == "    return f("
    assert long.splitlines()[-1] == "    )"


def test_paths_lie_in_the_folder_of_the_file():
    assert write_path("a/b.csv").text == 'FOLDER / "a/b.csv"'
    assert write_path("~/b.csv").text == 'Path("~/b.csv").expanduser()'
    assert write_path("b.h5::x").text == 'str(FOLDER / "b.h5::x")'
