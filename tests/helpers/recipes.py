"""Recipes of tests: a card, a function, and the files that they name."""

import hashlib

CARD = """
key = "{key}"
title = "A small set"
description = "Made in the tests."
citation = "Nobody (2000)."
licence = "none"
terms = "Be kind."
species = "none"
holds = ["responses"]
subjects = ["s1", "s2"]
regions = ["V1", "V2"]
{more}
[tried]
responses = "a file of the published format"
{files}
"""
PREPARE = """
import numpy as np
import xarray as xr


def prepare(raw, *, subjects=None, regions=None, scale=1):
    rows = []
    for subject in subjects or ("s1", "s2"):
        with raw.open(f"{subject}/data.txt") as file:
            rows.append(float(file.read()) * scale)
    names = list(regions or ("V1", "V2"))
    values = np.array(rows)[:, None] + np.arange(len(names))
    coords = {
        "stimulus_id": ("presentation", [f"p{k}" for k in range(len(rows))]),
        "region": ("neuroid", np.array(names, dtype=object)),
    }
    return {"responses": xr.DataArray(values, dims=("presentation", "neuroid"), coords=coords)}
"""
FILES = {"s1/data.txt": b"1.5", "s2/data.txt": b"25.25"}


def list_entries(files, **more):
    """Return the text of a card's entries for files, whose first folder is the subject."""
    lines = []
    for name, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        subject = name.partition("/")[0].partition(".")[0]
        lines += ["[[files]]", f'name = "{name}"', f'sha256 = "{digest}"', f'subject = "{subject}"']
        lines += [f"{key} = {value}" for key, value in more.items()]
    return "\n".join(lines)


def write_recipe(folder, key="small", *, more="", files="", prepare=PREPARE):
    """Write a recipe into a folder of recipes, and return its card's path."""
    room = folder / key
    room.mkdir(parents=True)
    (room / "card.toml").write_text(CARD.format(key=key, more=more, files=files))
    (room / "prepare.py").write_text(prepare)
    return room / "card.toml"


def write_files(folder, files=None):
    """Write files, by name, into a folder, and return it."""
    for name, content in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
