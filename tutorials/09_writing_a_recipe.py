# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Writing a recipe for a data set of your own
#
# A recipe says where the files of a data set are, what their checksums are, what to cite and on what terms they may be used, and how the files
# become stimuli and responses with labels. With one, everybody loads the same data by one line, and is told what to cite. A recipe
# holds no data.
#
# **Needs**: no data, no network connection, no extras; ten seconds and 0.5 GiB of memory. The data set is made up here, and "published" by a
# small web server on this machine.

# %%
import functools
import hashlib
import io
import os
import re
import tempfile
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib_inline.backend_inline
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

import neurolens as nl
from neurolens.errors import NeuroLensError

matplotlib_inline.backend_inline.set_matplotlib_formats("png")
os.chdir(tempfile.mkdtemp())  # all files of this notebook are written there
os.environ.pop("NEUROLENS_MIRROR", None)  # a mirror would be asked first: see section 6
os.environ["NO_PROXY"] = "127.0.0.1"
print("data: simulated spike counts; no weights")

# %% [markdown]
# ## 1. What was published
#
# Suppose that a laboratory has published three files: an archive of 24 pictures of shapes, a table with a row per trial (the picture, and the spike
# count of each of 40 cells), and a table that says of each cell in which animal and area it was recorded. Here we are that laboratory. V1
# cells filter the pictures, IT cells respond to the kind of shape; counts are Poisson.

# %%
KINDS = ("circle", "square", "cross")
N_CELLS = 40
published = Path("published")
published.mkdir()
rng = np.random.default_rng(0)
pictures = {}
for kind in KINDS:
    for number in range(8):
        picture = Image.new("L", (64, 64), 128)
        pen = ImageDraw.Draw(picture)
        x, y = rng.integers(14, 50, 2).tolist()
        size = int(rng.integers(8, 14))
        if kind == "circle":
            pen.ellipse((x - size, y - size, x + size, y + size), fill=230)
        elif kind == "square":
            pen.rectangle((x - size, y - size, x + size, y + size), fill=230)
        else:
            pen.line((x - size, y, x + size, y), fill=230, width=5)
            pen.line((x, y - size, x, y + size), fill=230, width=5)
        pictures[f"{kind}{number}"] = picture
with zipfile.ZipFile(published / "pictures.zip", "w") as archive:
    for name, picture in pictures.items():
        content = io.BytesIO()
        picture.save(content, "png")
        archive.writestr(zipfile.ZipInfo(f"pictures/{name}.png"), content.getvalue())

pixels = np.stack([np.asarray(picture.resize((8, 8))) for picture in pictures.values()])
pixels = pixels.reshape(len(pictures), -1) / 255
filtered = (pixels - pixels.mean(axis=0)) @ rng.normal(size=(64, N_CELLS // 2))
tuned = np.repeat(rng.normal(size=(len(KINDS), N_CELLS // 2)), 8, axis=0)
drive = np.concatenate([filtered / filtered.std(), tuned / tuned.std()], axis=1)
cells = pd.DataFrame(
    {
        "cell": [f"c{k:02d}" for k in range(N_CELLS)],
        "area": ["V1"] * (N_CELLS // 2) + ["IT"] * (N_CELLS // 2),
        "animal": ["m1", "m2"] * (N_CELLS // 2),
    }
)
trials = [
    pd.DataFrame(rng.poisson(5 * np.exp(0.5 * drive)), columns=cells.cell).assign(
        picture=[f"{name}.png" for name in pictures]
    )
    for _ in range(4)
]
pd.concat(trials).to_csv(published / "counts.csv", index=False)
cells.to_csv(published / "cells.csv", index=False)

figure = Figure(figsize=(8, 2.8), layout="constrained")
for axis, (name, picture) in zip(figure.subplots(3, 8).ravel(), pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_title(name, fontsize=7)
    axis.axis("off")
figure

# %% [markdown]
# The server stands for a repository such as OSF or Zenodo:


# %%
class Quiet(SimpleHTTPRequestHandler):
    """Serves files of a folder without a log."""

    def log_message(self, *args):
        pass


handler = functools.partial(Quiet, directory=published)
server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

# %% [markdown]
# ## 2. The card
#
# A recipe is a folder with two files; its name is the key of the data set. The first file, `card.toml`, is what people must know. All texts are
# required, and so is a checksum of every file: the sha256 of the file that was used. It guards against files that
# are damaged, exchanged or corrected later, so that two people who load the data have the same bytes.
#
# `[tried]` says on what the recipe was tried. `[check]` says what the result must be. An archive says what it unpacks to, and how
# large that may be.

# %%
recipe = Path("recipes", "shapes2026")
recipe.mkdir(parents=True)


def write_entry(name, *lines):
    """The entry of a file on the card."""
    digest = hashlib.sha256((published / name).read_bytes()).hexdigest()
    return "\n".join(["[[files]]", f'name = "{name}"', f'sha256 = "{digest}"', *lines, ""])


card = f'''key = "shapes2026"
title = "24 pictures of shapes; 40 simulated cells of V1 and IT"
description = "Spike counts in 200 ms after onset, 4 trials of each picture."
citation = "Made up for a tutorial."
licence = "CC0"
terms = "none"
species = "none (simulation)"
holds = ["stimuli", "responses"]
subjects = ["m1", "m2"]
regions = ["V1", "IT"]
base_url = "{url}"

[tried]
stimuli = "real files"
responses = "real files"

[check]
n_stimuli = 24
regions = ["V1", "IT"]

{write_entry("counts.csv")}
{write_entry("cells.csv")}
{write_entry("pictures.zip", 'unpack = "pictures"', "unpacked_bytes_at_most = 1000000")}'''
(recipe / "card.toml").write_text(card)


def shorten(text):
    """Put short words for the address of the server, the folder here, and checksums."""
    text = text.replace(url, "https://osf.example/").replace(str(Path.cwd()), "<folder>")
    return re.sub(r"[0-9a-f]{64}", "<64 hex digits>", text)


print(shorten(card))

# %% [markdown]
# ## 3. From files to labels
#
# The second file, `prepare.py`, has one function. `raw` knows the files (`raw.locate` gives the path of one, by its name on the card), and the names
# in `subjects` and `regions` were already checked against the card. It returns stimuli and responses, and does nothing else: no averaging, no
# selecting, no z-scoring. These are decisions of an analysis, and belong there.
#
# Three labels matter: `stimulus_id` of every presentation, the *same text* as the id of the picture; `region` and `subject` of every
# neuroid. Below, the table says `circle0.png` and the ids are `circle0`: the recipe cuts the suffix, because ids are matched
# exactly, and nothing is guessed.

# %%
PREPARE = '''"""Counts of 40 simulated cells for 24 pictures of shapes."""

import pandas as pd
import xarray as xr

import neurolens as nl


def prepare(raw, *, subjects=None, regions=None):
    """Return pictures, and spike counts (presentation, neuroid)."""
    cells = pd.read_csv(raw.locate_whole("cells.csv"))
    cells = cells[cells.animal.isin(subjects or ["m1", "m2"])]
    cells = cells[cells.area.isin(regions or ["V1", "IT"])]
    table = pd.read_csv(raw.locate_whole("counts.csv"))
    shown = table.picture.str.removesuffix(".png")
    responses = xr.DataArray(
        table[cells.cell.to_list()].to_numpy(float),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", shown.to_numpy(object)),
            "neuroid_id": ("neuroid", cells.cell.to_numpy(object)),
            "region": ("neuroid", cells.area.to_numpy(object)),
            "subject": ("neuroid", cells.animal.to_numpy(object)),
        },
        attrs={"units": "spikes in 200 ms"},
    )
    ids = list(dict.fromkeys(shown))
    files = [raw.locate(f"pictures/{name}.png") for name in ids]
    table = pd.DataFrame({"kind": [name[:-1] for name in ids]}, index=ids)
    return {"stimuli": nl.load_stimuli(files, ids=ids, metadata=table), "responses": responses}
'''
(recipe / "prepare.py").write_text(PREPARE)

# %% [markdown]
# ## 4. Loading it
#
# A recipe of your own is given by its folder, as a `Path`. Its `prepare.py` is run, so load only recipes that you trust. A text is always a key of
# the package and never a path. The files are fetched, checked, and kept in a cache; a second call fetches nothing.

# %%
load = functools.partial(nl.load_dataset, recipe, cache="cache", quiet=True)
shapes = load()
print(repr(shapes))
one = load(subjects="m1", regions="IT")
print(dict(one.responses.sizes), one.citation)

# %% [markdown]
# Are the labels right? Look at the data before sharing the recipe: cells that respond reliably, and RDMs as expected. IT should
# tell kinds of shapes apart; V1 should not.

# %%
ncsnr = nl.compare.compute_ncsnr(shapes.responses)
nl.view.plot_reliability(ncsnr)

# %%
region_rdms = nl.compute_rdms(shapes.responses)
kinds = nl.compare.compute_metadata_rdms(shapes.stimuli.metadata, "kind")
scores = nl.compare_rdms(kinds, region_rdms, n_bootstrap=0, n_splits=0).score_mean.squeeze("op")
print(scores.to_series().round(2).to_string())
nl.plot_rdms(kinds, ops=["kind"], brain=region_rdms, categories=list(shapes.stimuli.metadata.kind))

# %% [markdown]
# ## 5. What is refused
#
# Mistakes in a recipe are found when it is loaded, and not when somebody has published numbers from it. Each line below is a mistake, and what is said.


# %%
def try_mistake(old, new, *, file="card.toml"):
    """Load a copy of the recipe in which some text is another; return what is said."""
    copy = Path("mistakes", "shapes2026")
    copy.mkdir(parents=True, exist_ok=True)
    for name, text in (("card.toml", card), ("prepare.py", PREPARE)):
        assert file != name or old in text
        (copy / name).write_text(text.replace(old, new) if name == file else text)
    try:
        nl.load_dataset(copy, cache="other_cache", quiet=True)
    except NeuroLensError as error:
        return f"{type(error).__name__}: {shorten(str(error))}"
    return "nothing was said"


digest = hashlib.sha256((published / "counts.csv").read_bytes()).hexdigest()
mistakes = {
    "no citation": try_mistake('citation = "Made up for a tutorial."\n', ""),
    "another file than the card says": try_mistake(digest, "0" * 64),
    "a name outside the folder": try_mistake('name = "cells.csv"', 'name = "../cells.csv"'),
    "another dimension": try_mistake('"neuroid"', '"cell"', file="prepare.py"),
    "ids that differ": try_mistake("shown.to_numpy", "table.picture.to_numpy", file="prepare.py"),
    "other stimuli than promised": try_mistake("n_stimuli = 24", "n_stimuli = 25"),
}
for mistake, said in mistakes.items():
    print(f"{mistake}\n    {said}\n")

# %% [markdown]
# ## 6. Without a network; your own copy
#
# Files may come from three places, and are checked against the card in each:
#
# - the web, into a cache;
# - a **mirror**, a folder that the environment variable `NEUROLENS_MIRROR` names, with a subfolder for each key: nothing is fetched then, so
#   machines without a network can be used. Archives are unpacked into the cache;
# - a **copy of your own**, `folder="/data/shapes"`, in which nothing is written: archives must be unpacked there already.
#
# Data that cannot be fetched, because people must sign for them, have no `base_url` and no `[[files]]`, but `where`, a sentence on how to get
# them, and `[layout]`, the patterns of file names in a copy: `betas = "{subject}/betas_session{session}.nii.gz"`.

# %%
server.shutdown()
server.server_close()
mirror = Path("mirror", "shapes2026")
mirror.mkdir(parents=True)
for file in published.iterdir():
    (mirror / file.name).write_bytes(file.read_bytes())
os.environ["NEUROLENS_MIRROR"] = str(mirror.parent.absolute())
mirrored = nl.load_dataset(recipe, cache="cache_of_mirror", quiet=True)
del os.environ["NEUROLENS_MIRROR"]
same = bool((mirrored.responses == shapes.responses).all())
print(f"from the mirror, with the server gone: the same responses: {same}")

# %% [markdown]
# ## 7. Terms and licences
#
# `licence` and `terms` are shown by `nl.describe_dataset`, by the data set itself, and in reports. Where terms must be
# agreed to, `accept_terms = true` on the card makes `load_dataset` print them and wait for `accept_terms=True`, before any file is
# fetched or read. It replaces no signature: say in `where` how to sign.

# %%
strict = card.replace('terms = "none"', 'terms = "Cite the paper. Do not pass the pictures on."')
strict = strict.replace('licence = "CC0"\n', 'licence = "on request"\naccept_terms = true\n')
asking = Path("strict", "shapes2026")
asking.mkdir(parents=True)
(asking / "card.toml").write_text(strict)
(asking / "prepare.py").write_text(PREPARE)
try:
    nl.load_dataset(asking, cache="cache", quiet=True)
except NeuroLensError as error:
    not_accepted = str(error)
print(f"\n{not_accepted}")
accepted = nl.load_dataset(asking, cache="cache", quiet=True, accept_terms=True)

# %% [markdown]
# ## 8. Sharing it
#
# - **With colleagues**: pass on the folder with its two files, or keep it in the repository of your paper. It is text and holds no data.
# - **With everybody**: put the folder into `datasets/` of NeuroLens, a row into `docs/datasets.md`, and a test beside those in
#   `tests/recipes/`, which writes small files in the published layout with planted values and wants them back. Then it is loaded by
#   its key, and `neurolens datasets` lists it.
# - Say in `source` which page or code states the layout, order and units of the files. Most mistakes in recipes are of these three.

# %% [markdown]
# ## What was asserted
#
# The statements of the text, checked.

# %%
assert len(shapes.stimuli) == 24
assert shapes.responses.sizes == {"presentation": 96, "neuroid": 40}
assert one.responses.sizes == {"presentation": 96, "neuroid": 10}
assert scores.sel(region="IT") > 0.4
assert scores.sel(region="V1") < 0.2
assert "nothing was said" not in mistakes.values()
assert "lacks the text 'citation'" in mistakes["no citation"]
assert "sha256" in mistakes["another file than the card says"]
assert "no plain path inside its folder" in mistakes["a name outside the folder"]
assert "'presentation', 'cell'" in mistakes["another dimension"]
assert "responses to 'circle0.png'" in mistakes["ids that differ"]
assert "n_stimuli 24, its card says 25" in mistakes["other stimuli than promised"]
assert same
assert "accept_terms=True" in not_accepted
assert (accepted.responses == shapes.responses).all()

# %% [markdown]
# ## Where to go next
#
# - [The format of recipes](../datasets/README.md), and [what there is](../docs/datasets.md).
# - [Your own data](04_your_own_data.ipynb): files without a recipe.
# - [Comparing with fMRI](03_comparing_with_fmri.ipynb): what a score says.
