"""What says, where an optional package is missing, how to install it: one call for each extra.

Run alone, where nothing but the wheel is installed, it makes each call and shows the messages:
``python tests/helpers/missing_extras.py``. It exits with 1 where a message lacks the command.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

import neurolens as nl
from neurolens.errors import MissingToolError
from neurolens.view.graph.dot import engines


def load_timm_model(folder):
    nl.load_model("timm/resnet18", weights=None)


def load_hugging_face_model(folder):
    nl.load_model("hf/google-bert/bert-base-uncased", weights=None)


def read_images(folder):
    (folder / "betas.nii.gz").write_bytes(b"")
    nl.read_responses(folder / "betas.nii.gz", events=["a"])


def estimate_betas(folder):
    from neurolens.brain.glm import designs

    model = designs.Model("glover", drift=None, t_r=1.0, start=0.0)
    events = pd.DataFrame({"onset": [1.0], "duration": [1.0]})
    designs.build_design(model, events, np.zeros(1, int), 1, np.zeros((10, 0)))


def draw_surface(folder):
    from neurolens.view.brain_maps.meshes import load_fsaverage

    load_fsaverage()


def read_matlab_table(folder):
    from neurolens.brain.recordings.matlab.reading import import_matio

    import_matio("table.mat")


def read_meg(folder):
    nl.brain.read_epochs("sub-01-epo.fif")


def hear_sound(folder):
    (folder / "a.wav").write_bytes(b"RIFF")
    nl.load_stimuli(folder / "a.wav", kind=nl.stimuli.Sound())


def watch_video(folder):
    (folder / "a.mp4").write_bytes(b"")
    nl.load_stimuli(folder / "a.mp4", kind=nl.stimuli.Video())


def read_parquet(folder):
    (folder / "set.parquet").write_bytes(b"PAR1")
    nl.load_stimuli(folder / "set.parquet")


def fit_two_spaces(folder):
    features = xr.DataArray(
        np.eye(4), dims=("stimulus", "feature"), coords={"stimulus": list("abcd")}
    )
    responses = features.rename(feature="neuroid")
    nl.compare.fit_banded({"a": features, "b": features}, responses)


def use_workers(folder):
    stimuli = nl.load_stimuli(np.zeros((4, 3), np.float32))
    nl.extract_grams(torch.nn.Linear(3, 2), stimuli, client=object())


def draw_by_graphviz(folder):
    engines.find_engine("svg")


# extra -> what is typed to have it, the modules it brings, and a call that needs one of them
EXTRAS = {
    "models": ("pip install timm", ["timm"], load_timm_model),
    "models, of Hugging Face": (
        "pip install transformers",
        ["transformers"],
        load_hugging_face_model,
    ),
    "brain": ("pip install nibabel", ["nibabel"], read_images),
    "glm": ("pip install nilearn", ["nilearn", "nilearn.glm"], estimate_betas),
    "maps": ("pip install nilearn", ["nilearn", "nilearn.datasets"], draw_surface),
    "matlab": ("pip install mat-io", ["matio"], read_matlab_table),
    "meg": ("pip install mne", ["mne"], read_meg),
    "sound": ("pip install soundfile", ["soundfile"], hear_sound),
    "video": ("pip install av", ["av"], watch_video),
    "tables": ("pip install pyarrow", ["pyarrow"], read_parquet),
    "banded": ("pip install himalaya scikit-learn", ["himalaya"], fit_two_spaces),
    "cluster": ("pip install distributed", ["distributed"], use_workers),
    "render": ("pip install pygraphviz", ["pygraphviz"], draw_by_graphviz),
}


def show_messages():
    """Make every call and print what it says; return the extras whose message is wrong."""
    wrong = []
    for extra, (typed, _, call) in EXTRAS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                call(Path(folder))
                said = "(no error)"
            except MissingToolError as error:
                said = error.message
            except Exception as error:
                said = f"({type(error).__name__}) {error}"
        if typed not in said or "\n" in said or said.startswith("("):
            wrong.append(extra)
        print(f"{extra}: {said}")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(show_messages()))
