"""Every wrong file is refused before anything is computed, with all that is wrong in it."""

import pytest
from analyses import ENCODING, RSA, write_analysis

from neurolens.cli.analysis.checks import check_document
from neurolens.cli.analysis.documents import read_document
from neurolens.errors import InputError

PLANTED = """\
[model]
name = "torchvision/resnet18"
weights = "random"

[brain]
dataset = "planted"
"""


def check_text(folder, text):
    return check_document(read_document(write_analysis(folder, text)))


def refuse(folder, text):
    """Return the message with which a file is refused."""
    with pytest.raises(InputError, match="nothing was run") as caught:
        check_text(folder, text)
    return str(caught.value)


def test_all_problems_are_told_at_once_in_the_order_of_their_lines(tmp_path):
    message = refuse(
        tmp_path,
        '[analysis]\nseed = true\n[model]\nname = "torchvision/resnet19"\nwieghts = "x.pth"\n'
        '[brian]\ndataset = "x"\n[compare]\ncomparator = "spearmen"\nn_splits = -1\n',
    )
    lines = message.splitlines()
    assert lines[0] == "analysis.toml has 8 problems; nothing was run:"
    told = [
        "line 2, analysis.seed: must be a whole number, 0 or more, got True.",
        "line 4, model.name: no model named 'torchvision/resnet19'. Closest: 'torchvision/resnet1",
        "line 5, model.wieghts: there is no such key. Closest: 'weights'",
        "line 6, brian: there is no such section. Closest: 'brain'",
        "line 9, compare.comparator: 'spearmen' is not known. Closest: 'spearman'",
        "line 10, compare.n_splits: must be a whole number, 0 or more, got -1.",
    ]
    found = [line.strip() for line in lines[1:] if line.strip().startswith("line")]
    assert len(found) == len(told)
    for one, wanted in zip(found, told, strict=True):
        assert one.startswith(wanted), one
    assert "brain: needs one of 'dataset', 'responses', 'rdms', got none." in message
    assert "stimuli: needs source" in message


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("extract", "memory = '1 GB of it'", "must be a size such as '4GiB'.*'1 GB of it'"),
        ("extract", "memory = true", "must be a size"),
        ("extract", "memory = -1", "must be a size"),
        ("extract", "batch_size = 0", "must be a whole number, 1 or more, got 0"),
        ("extract", "n_samples = 1.5", "must be a whole number, 1 or more, got 1.5"),
        ("extract", "reducer = ['mean', 'middle']", "'middle' is not known"),
        ("extract", "ops = []", "must be a text, or a list of different texts"),
        ("extract", "ops = ['a', 'a']", "must be a text, or a list of different texts"),
        ("extract", "seed = 1", r"no such key in \[extract\]. It stands in \[analysis\]"),
        ("compare", "confidence = 95", "must be a number between 0 and 1, got 95"),
        ("compare", "confidence = nan", "must be a number between 0 and 1, got nan"),
        ("compare", "n_bootstrap = 1", "must be 0, or a whole number of 2 or more, got 1"),
        ("compare", "cv = 5", "compare.cv: goes with compare.method = 'encoding' only"),
        ("compare", "runs = 'run'", "compare.runs: goes with compare.brain_metric only"),
        ("compare", "brain_metric = 'euclidean'\nruns = 'a'", "runs: goes with crossnobis only"),
        ("compare", "brain_metric = 'euclidean'\nnoise = 'identity'", "noise: goes with 'mahalan"),
        ("brain", "regions = ['V1', '']", "must be a text, or a list of different texts"),
        ("brain", "subjects = 'S1'", "'planted' has none to choose from"),
        ("brain", "options = {n_voxel = 3}", "no option of 'planted' named 'n_voxel'.*'n_voxels'"),
        ("brain", "events = 'e.tsv'", "brain.events: goes with brain.responses only"),
        ("brain", "variable = 'x'", "goes with brain.responses or brain.rdms only"),
        ("brain", "rdms = 'r.csv'", "needs one of .*, got 'dataset', 'rdms'"),
        ("brain", "folder = 'nothing/'", "there is no file or folder 'nothing/'"),
        ("stimuli", "background = [0, 0, 256]", "must be a list of red, green and blue"),
        ("stimuli", "ids = 'id'", "goes with stimuli.source only"),
        ("stimuli", "source = 'none/'", "there is no file or folder 'none/'"),
        ("control", "random_weights = true", "the model has random weights itself"),
        ("control", "random_weights = 'yes'", "must be true or false, got 'yes'"),
        ("report", "page = false\nstimuli = false", "stimuli: goes with report.page only"),
        ("model", "file = 'm.py'", "needs either name = .* or file ="),
        ("model", "function = 'f'", "goes with model.file only"),
    ],
)
def test_wrong_values_and_contradictions_are_told(tmp_path, section, line, message):
    header = f"[{section}]\n"
    added = f"{header}{line}\n"
    text = PLANTED.replace(header, added) if header in PLANTED else PLANTED + added
    with pytest.raises(InputError, match=message):
        check_text(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"random"', '"weights/none.pth"', "model.weights: there is no file or folder"),
        (
            '"torchvision/resnet18"',
            '"resnet18"',
            "by its source and its name.*torchvision/resnet18",
        ),
        ('"torchvision/resnet18"', '"torchvison/resnet18"', "no source of models named"),
        ('"planted"', '"plantd"', "no data set named 'plantd'. Closest: 'planted'"),
        ('"planted"', "3", "brain.dataset: must be a text, got 3"),
        ("[model]", "model = 3\n[models]", "must be a section"),
        ("[model]", "seed = 3\n[model]", r"seed: stands in no section. Put it below \[analysis\]"),
    ],
)
def test_wrong_names_are_told(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        check_text(tmp_path, PLANTED.replace(old, new, 1))


def test_data_sets_are_asked_only_for_what_they_hold(tmp_path):
    text = PLANTED.replace("planted", "kriegeskorte2008") + 'regions = ["IT", "V7"]\n'
    message = refuse(tmp_path, text + '[compare]\nmethod = "encoding"\n')
    assert "brain.regions: no region named 'V7'" in message
    assert "encoding predicts responses, and 'kriegeskorte2008' has RDMs only" in message
    message = refuse(tmp_path, text + '[compare]\nbrain_metric = "euclidean"\n')
    assert "data set 'kriegeskorte2008' has RDMs already" in message


def test_terms_are_accepted_in_the_file(tmp_path):
    text = PLANTED.replace("planted", "nsd")
    assert "asks you to accept its terms" in refuse(tmp_path, text)


def test_files_of_rdms_have_no_responses_to_predict(tmp_path):
    text = RSA.replace("[compare]", '[compare]\nmethod = "encoding"')
    assert "encoding predicts responses, and brain.rdms has none" in refuse(tmp_path, text)
    assert "already" in refuse(
        tmp_path, RSA.replace("[compare]", '[compare]\nbrain_metric = "cosine"')
    )


def test_own_files_are_looked_at_before_they_are_run(tmp_path):
    text = RSA.replace('file = "my_model.py"', 'file = "my_model.py"\nfunction = "make_modle"')
    assert "no function of 'my_model.py' named 'make_modle'. Closest: 'make" in refuse(
        tmp_path, text
    )
    (tmp_path / "my_model.py").write_text("def make_model(:\n")
    assert "model.file: 'my_model.py' is no Python" in refuse(tmp_path, RSA)
    (tmp_path / "my_model.py").write_text("x = 1\n")
    assert "model.file: no function of 'my_model.py' named 'make_model'" in refuse(tmp_path, RSA)
    (tmp_path / "my_model.py").write_text("if True:\n    make_model = None\n")
    check_text(tmp_path, RSA)
    (tmp_path / "my_model.py").unlink()
    (tmp_path / "my_model.py").mkdir()
    assert "model.file: 'my_model.py' is no file" in refuse(tmp_path, RSA)


@pytest.mark.parametrize("size", ["'1GiB'", "'1 GiB'", "1_000_000", "'0.5 GB'"])
def test_sizes_are_read_as_the_functions_read_them(tmp_path, size):
    settings = check_text(tmp_path, f"{PLANTED}[extract]\nmemory = {size}\n")
    assert settings["extract.memory"] is not None


@pytest.mark.parametrize("text", [PLANTED, RSA, ENCODING])
def test_right_files_are_accepted(tmp_path, text):
    check_text(tmp_path, text)
