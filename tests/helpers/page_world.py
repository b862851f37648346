"""What the code of the documentation finds when it runs in tests: files, data and a model.

Nothing is fetched. Trained weights are random ones of the same network, which sees smaller
pictures; data sets that would be fetched are planted ones.
"""

import functools
import warnings
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image
from torchvision.transforms._presets import ImageClassification

import neurolens as nl

# Pages that read files of a subject.
READ_FILES = (
    "README.md",
    "docs/start.md",
    "docs/howto/fmri.md",
    "docs/howto/maps.md",
    "docs/howto/models.md",
    "docs/howto/recordings.md",
    "docs/howto/stimuli.md",
)
KINDS = ("faces", "houses", "tools")
PER_KIND = 8
SIDE = 64
load_model = nl.load_model
load_dataset = nl.load_dataset


def load_random_model(name, *, weights=None, **settings):
    """Load the model that is asked for with random weights and smaller pictures."""
    found = load_model(name, weights=None, **settings)
    return found._replace(transform=ImageClassification(crop_size=SIDE, resize_size=SIDE))


def load_planted(key, **settings):
    """Load a small planted brain for a data set that would have to be fetched."""
    if key != "planted":
        settings = {}
    small = {"n_per_category": 4, "n_subjects": 3, "n_voxels": 20, "n_repetitions": 3} | settings
    found = load_dataset("planted", **small)
    if key == "nsd":
        # Two sessions, as standardizing by session asks for.
        session = found.responses.repetition.values % 2
        return nl.datasets.Dataset(
            found.card,
            found.stimuli,
            found.responses.assign_coords(session=("presentation", session)),
        )
    if key == "kriegeskorte2008":
        rdms = nl.compute_rdms(found.responses)
        return nl.datasets.Dataset(found.card, found.stimuli, rdms=rdms)
    return found


def stand_in(monkeypatch):
    """Let code that asks for trained weights and data get random weights and planted data."""
    monkeypatch.setattr(nl, "load_model", load_random_model)
    monkeypatch.setattr(nl, "load_dataset", load_planted)
    for name in ("resnet18", "resnet50"):
        build = getattr(torchvision.models, name)
        monkeypatch.setattr(torchvision.models, name, functools.partial(build_random, build))


def build_random(build, weights=None, **settings):
    """Build a network of torchvision with random weights."""
    return build(weights=None, **settings)


def write_files(folder: Path, rng) -> None:
    """Write pictures, betas of two runs with tables of events, an atlas, spikes, words."""
    ids = []
    for kind in KINDS:
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(PER_KIND):
            name = f"{kind}/{kind[:-1]}{number}"
            ids.append(name)
            pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / f"{name}.png")
    write_betas(folder, ids, rng)
    write_spikes(folder, ids, rng)
    square = np.abs(np.subtract.outer(np.arange(len(ids)), np.arange(len(ids))))
    pd.DataFrame(square, index=ids, columns=ids).to_csv(folder / "it_rdm.csv")


def write_betas(folder: Path, ids: list[str], rng) -> None:
    """Write the betas of a subject in two runs, with events and an atlas of two regions."""
    atlas = np.arange(60, dtype=np.int16).reshape(3, 4, 5) % 3
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(atlas, affine), folder / "atlas.nii.gz")
    (folder / "atlas.tsv").write_text("index\tname\n1\tV1\n2\tIT\n")
    signal = rng.standard_normal((*atlas.shape, len(ids)))
    for run in (1, 2):
        order = rng.permutation(len(ids))
        betas = signal[..., order] + 0.5 * rng.standard_normal(signal.shape)
        name = folder / f"sub-01_run-{run}"
        nibabel.save(nibabel.Nifti1Image(betas.astype(np.float32), affine), f"{name}_betas.nii.gz")
        table = pd.DataFrame({"trial_type": [ids[k] for k in order]})
        table.to_csv(f"{name}_events.tsv", sep="\t", index=False)


def write_spikes(folder: Path, ids: list[str], rng) -> None:
    """Write the spikes of five neurons, and the onsets of two presentations of each stimulus."""
    onsets = pd.DataFrame({"onset": 0.5 * np.arange(2 * len(ids)), "stimulus_id": ids * 2})
    onsets.to_csv(folder / "onsets.csv", index=False)
    times = np.sort(rng.uniform(0, 0.5 * len(onsets) + 1, (5, 4000)), axis=1)
    rows = [(f"n{k}", time) for k in range(5) for time in times[k]]
    pd.DataFrame(rows, columns=["neuron", "time"]).to_csv(folder / "spikes.csv", index=False)


@functools.lru_cache
def analyze() -> dict:
    """Run a small analysis, whose results pages start from."""
    model = load_random_model("torchvision/resnet18")
    brain = load_planted("planted", model=model.model)
    grams = nl.extract_grams(model.model, brain.stimuli, quiet=True)
    rdms = nl.compute_rdms(grams)
    brain_rdms = nl.compute_rdms(brain.responses)
    scores = nl.compare_rdms(rdms, brain_rdms, n_bootstrap=100)
    return {
        "nl": nl,
        "model": model,
        "brain": brain,
        "stimuli": brain.stimuli,
        "responses": brain.responses,
        "grams": grams,
        "rdms": rdms,
        "brain_rdms": brain_rdms,
        "scores": scores,
        "best": nl.assign_regions(scores),
        "trace": nl.trace(model.model, brain.stimuli[brain.stimuli.ids[0]][None]),
    }


@contextmanager
def ignore_warnings(messages):
    """Leave out warnings that begin so."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message=message)
        yield


def plot_extras():
    """What docs/plots.md starts from beside the analysis."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3)
    plt.close(figure)
    return {
        "my_axes": list(axes),
        "spectrum": nl.compare.compute_spectrum(analyze()["grams"]),
    }


def readme_extras():
    """What README.md starts from: the files of a subject, which its text names."""
    folder = Path.cwd()
    return {
        "betas": sorted(folder.glob("*_betas.nii.gz")),
        "tables": sorted(folder.glob("*_events.tsv")),
    }


def models_extras():
    """What docs/howto/models.md starts from: a file of weights."""
    model = torchvision.models.resnet18(weights=None)
    torch.save(model.state_dict(), "my_weights.pth")
    return {}


# Page -> a function that makes what it starts from beside the analysis.
EXTRAS = {
    "docs/howto/models.md": models_extras,
    "docs/plots.md": plot_extras,
    "README.md": readme_extras,
}
