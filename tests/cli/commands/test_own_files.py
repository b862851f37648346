"""What a user's own file can do: end Python, change the folder, draw weights, mix stimuli."""

import json

import pytest
from commands import SIZE, make_workspace

import neurolens as nl
from neurolens.cli.app import main
from neurolens.cli.parameters.networks import NetworkChoice, load_network
from neurolens.models.identity import hash_state

OWN = """
import os
import sys
import torch
import my_model

DRAWN = torch.nn.Linear(3, 2)

def build_drawn():
    return torch.nn.Sequential(torch.nn.Flatten(), DRAWN)

def leave():
    sys.exit()

def move():
    os.chdir("/")
    import beside
    return my_model.build()

class Random(torch.nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :9] + torch.randn(len(x), 9)

def build_random():
    return Random()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "beside.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call_grams(function, *words):
    return main(["grams", function, "images", *SIZE, "-o", "g.nc", "--overwrite", *words])


def test_a_function_that_ends_python_is_told(folder, capsys):
    assert call_grams("own.py:leave") == 1
    assert "own.py:leave raises SystemExit" in capsys.readouterr().err
    (folder / "ending.py").write_text("raise SystemExit")
    assert call_grams("ending.py:build") == 1
    assert "ending.py raises SystemExit" in capsys.readouterr().err
    assert not (folder / "g.nc").exists()


def test_a_function_may_change_the_folder_and_import_what_lies_beside(folder):
    assert call_grams("own.py:move", "--quiet") == 0
    assert (folder / "g.nc").is_file()


def test_weights_that_a_file_draws_come_from_the_seed(folder):
    hashes = []
    for seed in (1, 1, 2):
        loaded = load_network(NetworkChoice("own.py:build_drawn", seed=seed))
        hashes.append(hash_state(loaded.model))
    assert hashes[0] == hashes[1] != hashes[2]


def test_no_weights_of_an_own_model_are_random_ones(folder):
    made = load_network(NetworkChoice("my_model.py:build", seed=1))
    random = load_network(NetworkChoice("my_model.py:build", weights="none", seed=2))
    expected = nl.randomize_weights(made.model, rng=2)
    assert random.identity.weights == "random, seed 2"
    assert random.identity.sha256 == hash_state(expected) != made.identity.sha256


def test_operations_that_are_left_out_or_random_are_named(folder, capsys):
    assert call_grams("own.py:build_random") == 0
    assert "Random: results of '/randn', '/add' depend" in capsys.readouterr().out
    words = ["extract", "own.py:build_random", "images", *SIZE, "-o", "a.zarr"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["random_ops"] == ["/randn", "/add"]
    (folder / "mixing.py").write_text(
        "import torch\n"
        "class Mixing(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.relu(x.flatten(1) - x.flatten(1).mean(0))\n"
    )
    assert call_grams("mixing.py:Mixing") == 0
    assert "Left out: '/sub', '/relu': its values for a stimulus" in capsys.readouterr().out
