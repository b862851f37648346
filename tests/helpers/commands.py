"""A folder with small files for the subcommands: pictures, a network, responses."""

import json
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from neurolens.cli.app import COMMANDS, main

N_STIMULI = 14
SIDE = 32
# Of the network, on pictures of that side.
SIZE = ["--image-size", str(SIDE)]
NETWORK = '''"""A small network, and functions that are none."""

import torch
from torch import nn


def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 1),
    )


def break_off():
    raise ValueError("the file is missing")


def make_number():
    return 3


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("shapes do not fit")


def build_failing():
    return Failing()


def build_lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))


def build_mixing():
    class Mixing(nn.Module):
        def forward(self, x):
            return x - x.mean(0)

    return Mixing()


def shrink(picture):
    values = torch.tensor(list(picture.resize((8, 8)).getdata()), dtype=torch.float32)
    return values.T.reshape(3, 8, 8) / 255
'''


def make_workspace(folder: Path) -> Path:
    """Fill a folder with ``images/``, ``my_model.py`` and ``responses.nc``."""
    rng = np.random.default_rng(5)
    images = folder / "images"
    images.mkdir()
    ids = [f"picture{i:02}" for i in range(N_STIMULI)]
    for name in ids:
        values = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(values).save(images / f"{name}.png")
    (folder / "my_model.py").write_text(NETWORK)
    signal = rng.normal(size=(N_STIMULI, 8))
    noise = rng.normal(size=(2 * N_STIMULI, 8))
    responses = xr.DataArray(
        np.repeat(signal, 2, axis=0) + 0.5 * noise,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.repeat(ids, 2)),
            "region": ("neuroid", ["V1", "V1", "V1", "V1", "IT", "IT", "IT", "IT"]),
            "subject": ("neuroid", ["s1", "s1", "s2", "s2"] * 2),
        },
        name="responses",
    )
    responses.to_netcdf(folder / "responses.nc", engine="h5netcdf")
    return folder


def call(capsys, *words, status=0):
    """Run a command, check how it ended, and return what it printed: (output, errors)."""
    capsys.readouterr()
    found = main([str(word) for word in words])
    shown = capsys.readouterr()
    assert found == status, (words, found, shown.err)
    return shown.out, shown.err


def call_json(capsys, *words, status=0):
    """Run a command with ``--json``, and return its document."""
    out, _ = call(capsys, *words, "--json", status=status)
    return json.loads(out)


def list_files(folder: Path) -> set[str]:
    """Return the paths of all files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def list_commands():
    """Return (words, click command) of every subcommand, those inside others included."""
    from importlib import import_module

    found = []
    for name, entry in COMMANDS.items():
        command = import_module(entry.module).command
        inner = getattr(command, "commands", {})
        found.append(((name,), command))
        found += [((name, one), inner[one]) for one in inner]
    return found
