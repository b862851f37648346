"""The examples that stand in every help run as they stand."""

import functools
import shlex

import pytest
from commands import call, list_commands, make_workspace

from neurolens import datasets
from neurolens.cli.app import main

# Where the network or real data are needed; others test these.
NEEDS_DATA = ("neurolens demo", "neurolens datasets fetch kriegeskorte2008")
ALEXNET = ["torchvision/alexnet", "dataset:planted", "--weights", "none"]

pytestmark = pytest.mark.slow


def list_examples():
    examples = []
    for words, command in list_commands():
        block = (command.help or "").partition("Examples:")[2]
        for line in block.splitlines():
            if line.strip().startswith("neurolens "):
                examples.append((words[0], line.strip()))
    return examples


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = make_workspace(tmp_path_factory.mktemp("examples"))
    cached = functools.cache(datasets.load_dataset)

    def load(key, **settings):
        # The planted brain is the same in every command.
        given = {name: one for name, one in settings.items() if one and name != "quiet"}
        return datasets.loading.load_dataset(key, **settings) if given else cached(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(datasets, "load_dataset", load)
        for words in (
            ["grams", *ALEXNET, "-o", "grams.nc"],
            ["grams", *ALEXNET, "-o", "other.nc", "--seed", "1"],
            ["extract", *ALEXNET, "-o", "acts.zarr", "--reducer", "mean", "--ops", "*relu*"],
            ["rdms", "grams.nc", "-o", "rdms.nc"],
            ["rdms", "other.nc", "-o", "untrained.nc"],
            ["rdms", "planted", "-o", "brain.nc"],
            ["compare", "rdms.nc", "brain.nc", "-o", "scores.nc", "--bootstrap", "20"],
            ["encode", "acts.zarr", "planted", "-o", "encoding.nc"],
        ):
            assert main([*words, "--quiet"]) == 0, words
        yield folder


@pytest.mark.parametrize("line", [line for _, line in list_examples()])
def test_examples_run(line, workspace, capsys, tmp_path, monkeypatch):
    words = shlex.split(line)[1:]
    if line.startswith(NEEDS_DATA) or words[0] in ("run", "init", "explain", "doctor"):
        pytest.skip("needs data or the network, or is tested with its command")
    for name in ("--output", "-o", "--picture"):
        if name in words:
            place = words.index(name) + 1
            words[place] = str(tmp_path / words[place])
    call(capsys, *words)
