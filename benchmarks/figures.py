"""Results on real data for docs/real_data.md: a trained network beside human RDMs and voxels.

Files are taken from the folder that NEUROLENS_MIRROR names, which has <data set>/<file> and
weights/squeezenet1_0.pth, ImageNet-trained weights of SqueezeNet 1.0 as torchvision's state dict.
The studies are the files of benchmarks/real_data/.
"""

import argparse
import hashlib
import os
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from machine import describe_machine
from real_data.categories import measure_categories
from real_data.crossnobis import measure_crossnobis
from real_data.picture import draw_figures, draw_shapes
from real_data.rsa import measure_rsa
from real_data.shapes import measure_shapes
from real_data.tables import NETWORK, SEED
from real_data.trained import measure_trained
from real_data.voxels import measure_encoding

import neurolens as nl
from neurolens.errors import DataError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "real_data.md"
PICTURE = ROOT / "docs" / "images" / "real_data.png"
SHAPES = ROOT / "docs" / "images" / "real_data_shapes.png"
HEAD = [
    "# What real data say",
    "",
    "Written by `make figures`.",
    "",
    "![Best op by comparator; voxels predicted from pixels; crossnobis distances]"
    "(images/real_data.png)",
    "",
    "## What changed since the first page, and why",
    "",
    "- **Who reaches the ceiling.** Whether pictures are of animate things scores .386 by Spearman, "
    "above the lower noise ceiling of human IT (.372), as a model does that explains all there is. "
    "By rho-a, which does not reward its ties, it scores .334 and misses the ceiling "
    "(p = .04 over stimuli, .19 over stimuli and subjects). **The conclusion flips**; with four "
    "subjects it cannot be settled. rho-a is the default now.",
    "- **Upper ceilings are bounds** for any model, tied ones too: in human IT .672 was .666 by "
    "Spearman, .621 was .477 by tau-a, .942 was .940 by Bures. No op comes near them, and nothing "
    "else in these tables changes but in the last digit.",
    "- **Voxels are predicted less well than it seemed.** The figures were shown in four sets, each "
    "in runs of its own, and random folds have figures of each set in training. With whole sets "
    "held out pixels predict r = .48 of the explainable voxels, not .65, and .14 of the others, not "
    ".35: part of what was predicted is the set. As before, no op predicts more than pixels do "
    "but by chance.",
    "- `compute_ncsnr` is unbiased: 482 voxels are explainable, where 474 were.",
]


def describe_run(weights: Path) -> list[str]:
    """Return the lines that describe the versions and machine with which the page was made."""
    keys = ("kriegeskorte2008", "miyawaki2008_figures", "haxby2001_slice", "kalfas2018_shapes")
    files = [
        f"| {key}/{f['name']} | `{f['sha256']}` |"
        for key in keys
        for f in nl.describe_dataset(key)["files"]
        if not f["name"].endswith(".bmp")
    ]
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torchvision", "numpy", "scipy", "xarray")
    )
    return [
        "## How it was made",
        "",
        f"NeuroLens {version('neurolens-brain')}; {describe_machine()}, {packages}; every seed from "
        f"{SEED} on. Random weights: torchvision's initialisation from the same seed. What to cite: "
        "`neurolens datasets`.",
        "",
        "The 64 pictures of kalfas2018_shapes have the checksums of its card.",
        "",
        "| file | sha256 |",
        "|---|---|",
        *files,
        f"| weights/{weights.name} | `{hashlib.sha256(weights.read_bytes()).hexdigest()}` |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weights", type=Path, help="state dict; default: weights/squeezenet1_0.pth of the mirror"
    )
    options = parser.parse_args()
    mirror = os.environ.get("NEUROLENS_MIRROR")
    if not mirror:
        print(
            "Skipped: set NEUROLENS_MIRROR to a folder with the real data, <data set>/<file>, to "
            "measure on them."
        )
        return
    weights = options.weights or Path(mirror) / "weights" / f"{NETWORK}.pth"
    if not weights.is_file():
        print(
            f"Skipped: there are no weights {weights}. Name a state dict of {NETWORK} with "
            f"--weights."
        )
        return
    # With so few figures some ops predict best with almost no penalty.
    warnings.filterwarnings("ignore", message="the best penalty ends the grid")
    # The page says so, and gives the scores of whole sets of runs beside.
    warnings.filterwarnings("ignore", message="features and responses of stimuli of the same 'run'")
    warnings.filterwarnings("ignore", message="features and responses are both autocorrelated")
    # A neuron that never fires to the shapes of a fold has no correlation there.
    warnings.filterwarnings("ignore", message="no score, because responses or predictions do not")
    model = nl.load_model(f"torchvision/{NETWORK}", weights=weights).model
    control = nl.load_model(f"torchvision/{NETWORK}", weights=None, rng=SEED).model
    studies: dict[str, Callable[[], tuple[list[str], dict]]] = {
        "rsa": lambda: measure_rsa(model, control),
        "categories": measure_categories,
        "voxels": lambda: measure_encoding(model),
        "distances": measure_crossnobis,
        "shapes": lambda: measure_shapes(model),
        "trained": measure_trained,
    }
    lines = list(HEAD)
    found = {}
    for name, study in studies.items():
        start = time.perf_counter()
        try:
            text, found[name] = study()
        except DataError as error:
            print(f"Skipped, and the page is left as it is: {error}")
            return
        print("\n".join(text), f"\n\n{time.perf_counter() - start:.0f} s\n", flush=True)
        lines += ["", *text]
    draw_figures(found["rsa"], found["voxels"], found["distances"], PICTURE)
    draw_shapes(found["shapes"], SHAPES)
    PAGE.write_text("\n".join([*lines, "", *describe_run(weights)]) + "\n")


if __name__ == "__main__":
    main()
