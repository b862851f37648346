"""Names that a shell completes, and what help costs."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from commands import call, call_json

import neurolens.cli
from neurolens.cli.app import root

CLI = Path(neurolens.cli.__file__).parent
# Commands that answer --help and completion without what takes long to import.
LIGHT = sorted(
    [
        *(CLI / "parameters").glob("*.py"),
        *(CLI / "commands").glob("*/*.py"),
        *(CLI / "commands" / f"{name}.py" for name in ("demo", "datasets", "completion")),
    ]
)


def complete(*words):
    *before, incomplete = words
    completion = BashComplete(root, {}, "neurolens", "_NEUROLENS_COMPLETE")
    return [(one.type, one.value) for one in completion.get_completions(list(before), incomplete)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["comp"], {("plain", "compare"), ("plain", "completion")}),
        (["ops", "torchvision/alex"], {("plain", "torchvision/alexnet")}),
        (["ops", "my_"], {("file", "my_")}),
        (["ops", "--input-"], {("plain", "--input-shape")}),
        (["grams", "m", "dataset:pl"], {("file", "dataset:pl"), ("plain", "dataset:planted")}),
        (["compare", "rdms.nc", "kri"], {("file", "kri"), ("plain", "kriegeskorte2008")}),
        (["compare", "rd"], {("file", "rd")}),
        (["datasets", "f"], {("plain", "fetch")}),
        (["datasets", "describe", "pl"], {("plain", "planted")}),
        (["report", "s.nc", "--model", "torchvision/alex"], {("plain", "torchvision/alexnet")}),
    ],
)
def test_names_are_completed(words, expected):
    assert set(complete(*words)) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_say_how_they_are_installed(shell, capsys):
    out, _ = call(capsys, "completion", shell)
    assert out.startswith("# To install it, run:")
    assert "_NEUROLENS_COMPLETE" in out
    facts = call_json(capsys, "completion", shell)
    quiet, _ = call(capsys, "completion", shell, "--quiet")
    assert facts["script"] == quiet.strip()
    assert quiet.strip() in out
    program = shutil.which(shell)
    if program is not None and shell == "bash":
        subprocess.run([program, "-n"], input=out, text=True, check=True)


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(CLI)))
def test_help_imports_nothing_that_takes_long(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            is_light = name == "neurolens.errors" or name.startswith("neurolens.cli.")
            assert not name.startswith("neurolens") or is_light, name
            assert "demo" not in name, name
        elif isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            assert not names & {"torch", "torchvision", "xarray", "pandas", "matplotlib"}
