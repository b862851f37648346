"""Every subcommand: its help, its JSON, and how it refuses what it cannot do."""

import click
import pytest
import xarray as xr
from commands import SIZE, call, call_json, list_commands, list_files, make_workspace

from neurolens.cli.app import COMMANDS, main

NETWORK = ["my_model.py:build", "--image-size", "32"]
# Words of a call that succeeds in the workspace, and a key of its JSON.
CALLS = {
    "models": (["models", "resnet1*", "--source", "torchvision"], None),
    "ops": (["ops", *NETWORK], "ops"),
    "ops tree": (["ops", *NETWORK, "--tree"], "ops"),
    "ops picture": (["ops", *NETWORK, "--picture", "new.svg"], "picture"),
    "ops shape": (["ops", "my_model.py:build", "--input-shape", "3,16,16"], "ops"),
    "ops transform": (["ops", "my_model.py:build", "--transform", "my_model.py:shrink"], "ops"),
    "ops input": (["ops", *NETWORK, "--input", "images/picture00.png"], "input"),
    "validate": (["validate", *NETWORK], "status"),
    "forecast": (["forecast", "my_model.py:build", "images", *SIZE], "grams"),
    "extract": (["extract", "my_model.py:build", "images", *SIZE, "-o", "new.zarr"], "ops"),
    "grams": (["grams", "my_model.py:build", "images", *SIZE, "-o", "new.nc"], "n_passes"),
    "rdms": (["rdms", "responses.nc", "-o", "new.nc"], "metric"),
    "datasets list": (["datasets", "list"], "planted"),
    "datasets": (["datasets"], None),
    "datasets describe": (["datasets", "describe", "kriegeskorte2008"], "n_bytes"),
    "datasets fetch": (["datasets", "fetch", "planted"], "folder"),
    "completion": (["completion", "bash"], "script"),
}
# Words that end with a sentence, the exit status, and a part of the sentence.
REFUSED = [
    ("ops torchvision/resnet19", 1, "Closest: 'resnet18'"),
    ("ops resnet19", 1, "Closest:"),
    ("ops squeezenot", 1, "More: neurolens explain unknown-model"),
    ("ops resnot/resnet18", 1, "no source of models named 'resnot'"),
    ("ops missing.py:build", 1, "there is no file 'missing.py'"),
    ("ops my_model.py", 1, "Type my_model.py:FUNCTION"),
    ("ops my_model.py:nothing", 1, "my_model.py holds no 'nothing'"),
    ("ops broken.py:build", 1, "broken.py raises SyntaxError"),
    ("ops my_model.py:break_off", 1, "raises ValueError: the file is missing"),
    ("ops my_model.py:make_number", 1, "must return a torch.nn.Module, got int"),
    ("ops my_model.py:build_lazy", 1, "lazy layers"),
    ("ops my_model.py:build_failing --input-shape 3", 1, "shapes do not fit"),
    ("ops my_model.py:build --input-shape 3,x", 2, "no list of sizes such as 3,224,224"),
    ("ops my_model.py:build --input-shape 3 --text hello", 1, "pass one of --input"),
    ("ops my_model.py:build --input missing.png", 1, "missing.png"),
    ("ops my_model.py:build --picture new.jpg", 1, "--picture must end with .svg"),
    ("ops my_model.py:build --picture no/new.svg", 1, "no folder 'no'"),
    ("ops my_model.py:build --device cuda:77", 1, "there is no device 'cuda:77'"),
    ("ops my_model.py:build --part 9", 1, "part of Sequential"),
    ("ops my_model.py:build --weights missing.pth", 1, "missing.pth"),
    ("ops my_model.py:build --image-size 8 --transform my_model.py:shrink", 1, "one of the two"),
    ("ops my_model.py:build --seed -1", 2, "seed"),
    ("ops", 2, "MODEL"),
    ("models no_such_network", 1, "no model matches 'no_such_network'"),
    ("models --source caffe", 2, "caffe"),
    ("validate torchvision/alexnet:NOPE", 1, "NOPE"),
    ("grams my_model.py:build nowhere -o new.nc", 1, "no folder 'nowhere'"),
    ("grams my_model.py:build empty -o new.nc", 1, "no images, sounds or videos"),
    ("grams my_model.py:build texts -o new.nc", 1, "no images, sounds or videos"),
    ("grams my_model.py:build torn -o new.nc", 1, "torn.png"),
    ("grams my_model.py:build numbers.npy -o new.nc", 1, "cannot be read as an array"),
    ("grams my_model.py:build dataset:planned -o new.nc", 1, "'planted'"),
    ("grams my_model.py:build dataset:nsd -o new.nc", 1, "--accept-terms"),
    ("grams my_model.py:build images -o new.csv", 1, "--output must end with .nc"),
    ("grams my_model.py:build images -o no/new.nc", 1, "no folder 'no'"),
    ("grams my_model.py:build images -o responses.nc", 1, "is there already; pass --overwrite"),
    ("grams my_model.py:build images -o folder.nc --overwrite", 1, "is a folder"),
    ("grams my_model.py:build images -o new.nc --memory lots", 1, "lots"),
    ("grams my_model.py:build images -o new.nc --ops no*thing", 1, "no*thing"),
    ("grams my_model.py:build images", 2, "--output"),
    ("extract my_model.py:build images -o new.zarr --ops no*thing", 1, "no*thing"),
    ("extract my_model.py:build images -o new.zarr --reducer median", 1, "no reducer named"),
    ("extract my_model.py:build images -o new.zarr --reducer pca", 1, "needs a number"),
    ("extract my_model.py:build images -o new.zarr --reducer mean:3", 1, "is not understood"),
    ("extract my_model.py:build images -o new.nc", 1, "must end with .zarr"),
    ("extract my_model.py:build images -o file.zarr", 1, "is a file"),
    ("extract my_model.py:build images -o no/new.zarr", 1, "no folder 'no'"),
    ("forecast my_model.py:build images --memory 3units", 1, "memory"),
    ("forecast my_model.py:build images --precision float16", 2, "float32"),
    ("rdms missing.nc -o new.nc", 1, "there is no file 'missing.nc'"),
    ("rdms junk.nc -o new.nc", 1, "cannot be read as netCDF"),
    ("rdms other.nc -o new.nc", 1, "holds a Dataset of a, b"),
    ("rdms images -o new.nc", 1, "images"),
    ("rdms folder.zarr -o new.nc", 1, "not a NeuroLens store"),
    ("rdms responses.nc -o responses.nc --overwrite", 1, "is what is read here"),
    ("rdms responses.nc -o new.nc --metric manhattan", 1, "manhattan"),
    ("rdms planned -o new.nc", 1, "no data set named 'planned'"),
    ("compare responses.nc planted -o new.nc", 1, "neurolens rdms grams.nc --output rdms.nc"),
    ("compare rdms.nc planned -o new.nc", 1, "no data set named 'planned'"),
    ("compare rdms.nc responses.nc -o new.nc --comparator nope", 1, "no comparator named 'nope'"),
    ("compare rdms.nc responses.nc -o new.nc --bootstrap 1", 1, "n_bootstrap"),
    ("compare rdms.nc responses.nc -o new.nc --by colour", 1, "colour"),
    ("compare rdms.nc brain.nc -o new.nc --regions V9", 1, "no region of these RDMs named 'V9'"),
    ("compare rdms.nc brain.nc -o new.nc --brain-metric cosine", 1, "as they were published"),
    ("compare rdms.nc brain.nc -o new.nc --regions V1,,IT", 2, "a name is empty"),
    ("compare rdms.nc responses.nc -o new.nc --mask rdms.nc --regions V1", 1, "used whole"),
    ("compare rdms.nc table.csv -o new.nc --mask mask.nii", 1, "responses need --events"),
    ("compare rdms.nc shorter.nc -o new.nc", 1, "picture13"),
    ("compare rdms.nc responses.nc -o new.nc --control missing.nc", 1, "no file 'missing.nc'"),
    ("encode rdms.nc responses.nc -o new.nc", 1, "Grams or activations are needed"),
    ("encode missing.nc responses.nc -o new.nc", 1, "there is no file 'missing.nc'"),
    ("report responses.nc -o new.html", 1, "scores are needed here"),
    ("report missing.nc -o new.html", 1, "there is no file 'missing.nc'"),
    ("report scores.nc -o new.pdf", 1, "must end with .html or .htm"),
    ("report plain.nc -o new.html", 1, "does not say which model it is of; pass --model"),
    ("report scores.nc --seed 0 -o new.html", 1, "--seed cannot change; pass --model too"),
    ("report scores.nc --weights none --image-size 9 -o new.html", 1, "--weights, --image-size c"),
    ("datasets describe planned", 1, "no data set named 'planned'"),
    ("init responses.nc", 1, "pass --overwrite, or another FILE"),
    ("init images", 1, "pass the name of a file as FILE"),
    ("datasets fetch nsd", 1, "Pass --accept-terms if you do"),
    ("datasets fetch planted --subjects 9", 1, "has no subjects to choose from"),
    ("datasets delete", 2, "No such command 'delete'"),
    ("completion tcsh", 2, "tcsh"),
    ("grils", 2, "No such command 'grils'"),
    ("compare rdms.nc planted -o new.nc --option x", 2, "is not NAME=VALUE"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = make_workspace(tmp_path_factory.mktemp("workspace"))
    for name in ("empty", "texts", "torn", "folder.nc", "folder.zarr"):
        (folder / name).mkdir()
    (folder / "texts" / "note.md").write_text("no picture")
    (folder / "torn" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    (folder / "numbers.npy").write_bytes(b"no numbers")
    (folder / "junk.nc").write_bytes(b"no netCDF")
    (folder / "file.zarr").write_bytes(b"no store")
    (folder / "broken.py").write_text("def build(:\n")
    (folder / "table.csv").write_text("0,1\n1,0\n")
    xr.Dataset({"a": 1, "b": 2}).to_netcdf(folder / "other.nc", engine="h5netcdf")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in (
            ["grams", "my_model.py:build", "images", *SIZE, "-o", "grams.nc"],
            ["rdms", "grams.nc", "-o", "rdms.nc"],
            ["rdms", "responses.nc", "-o", "brain.nc"],
            ["compare", "rdms.nc", "brain.nc", "-o", "scores.nc", "--bootstrap", "0"],
        ):
            assert main([*words, "--quiet"]) == 0, words
    brain = xr.load_dataarray(folder / "brain.nc", engine="h5netcdf")
    shorter = brain.isel(stimulus=slice(13), stimulus_2=slice(13))
    shorter.to_netcdf(folder / "shorter.nc", engine="h5netcdf")
    scores = xr.load_dataset(folder / "scores.nc", engine="h5netcdf")
    del scores.attrs["neurolens_origin"]
    scores.to_netcdf(folder / "plain.nc", engine="h5netcdf")
    return folder


@pytest.mark.parametrize(
    ("words", "command"), list_commands(), ids=[" ".join(words) for words, _ in list_commands()]
)
def test_help_has_examples_of_this_command(words, command, capsys):
    out, _ = call(capsys, *words, "--help")
    block = out.partition("Examples:")[2]
    lines = [line for line in block.partition("Options:")[0].splitlines() if line.strip()]
    assert lines
    assert all(line.startswith(f"    neurolens {words[0]}") for line in lines)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words}: {parameter.name} has no help"


def test_the_list_of_commands_is_that_of_the_table(capsys):
    out, _ = call(capsys, "--help")
    for name, entry in COMMANDS.items():
        assert f"{name} " in out
        assert entry.help in " ".join(out.split())


@pytest.mark.parametrize("name", CALLS)
def test_json_is_one_document_and_quiet_is_short(name, workspace, tmp_path, monkeypatch, capsys):
    words, key = CALLS[name]
    words = [tmp_path / one if one.startswith("new.") else one for one in words]
    monkeypatch.chdir(workspace)
    facts = call_json(capsys, *words) if name != "datasets" else {}
    assert key is None or key in facts
    for path in tmp_path.iterdir():
        if path.is_file() and path.suffix != ".lock":
            path.unlink()
    out, err = call(capsys, *words, *(["--quiet"] if name != "datasets" else []))
    assert out.strip()
    assert "\r" not in err


@pytest.mark.parametrize(("line", "status", "part"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    line, status, part, workspace, monkeypatch, capsys
):
    monkeypatch.chdir(workspace)
    before = list_files(workspace)
    words = line.split()
    _, err = call(capsys, *words, status=status)
    assert part in " ".join(err.split())
    assert "Traceback" not in err
    assert list_files(workspace) - {"__pycache__"} == before
    if status == 1:
        out, err = call(capsys, *words, "--json", status=1)
        assert out == ""
        assert '"error"' in err.splitlines()[-1]


def test_a_failed_check_ends_with_its_own_status(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    words = ["validate", "my_model.py:build_mixing", "--input-shape", "3"]
    assert call_json(capsys, *words)["status"] == "unverified"

    def fail(*args, **kwargs):
        import pandas as pd

        from neurolens.extract import Verdict

        row = {"op": "a", "check": "replay", "status": "failed", "reason": "differs"}
        return Verdict("failed", 2, 1, pd.DataFrame([row]))

    monkeypatch.setattr("neurolens.extract.validate", fail)
    facts = call_json(capsys, *words, status=3)
    assert facts["reasons"][0]["reason"] == "differs"
    out, _ = call(capsys, *words, status=3)
    assert "failed (replay) a: differs" in out


def test_a_name_that_one_library_has_is_completed_and_told(monkeypatch, capsys):
    known = {"torchvision": ["only_here", "both"], "timm": ["both"]}
    monkeypatch.setattr(
        "neurolens.cli.parameters.networks._list_names", lambda source: known[source]
    )
    from neurolens.cli.parameters.networks import complete_name

    assert complete_name("only_here:V1") == "torchvision/only_here:V1"
    assert "is read as 'torchvision/only_here:V1'" in capsys.readouterr().err
    assert complete_name("timm/both") == "timm/both"
    _, err = call(capsys, "ops", "both", status=1)
    assert "type one of 'torchvision/both', 'timm/both'" in err


def test_paths_may_be_odd(workspace, monkeypatch, capsys, tmp_path):
    odd = tmp_path / "für Ünicode & spaces"
    odd.mkdir()
    (odd / "my_model.py").write_bytes((workspace / "my_model.py").read_bytes())
    (odd / "-images").symlink_to(workspace / "images")
    monkeypatch.chdir(odd)
    words = ["grams", *SIZE, "--output=-öut put.nc", "--", "my_model.py:build", "-images"]
    call(capsys, *words)
    call(capsys, "rdms", "--output", "rdms.nc", "--", "-öut put.nc")
    assert list_files(odd) == {"-images", "-öut put.nc", "my_model.py", "rdms.nc"} | {
        one for one in list_files(odd) if "__pycache__" in one
    }


def test_the_system_that_refuses_is_told(workspace, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(workspace)

    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", refuse)
    _, err = call(capsys, "rdms", "grams.nc", "-o", tmp_path / "r.nc", status=1)
    assert "could not be written: No space left on device" in err
    assert list_files(tmp_path) == set()
