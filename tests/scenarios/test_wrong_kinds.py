"""Arguments of a wrong kind raise an error of one sentence that says what to pass instead."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.datasets.loading import Dataset
from neurolens.errors import InputError

MODEL = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
ARRAY = np.ones((4, 3), np.float32)
STIMULI = nl.load_stimuli(ARRAY)
RUNS = (nl.extract_activations, nl.extract_grams, nl.forecast)

# (model, stimuli) -> a part of the message
WRONG_RUNS = [
    (MODEL, ARRAY, r"stimuli must be a StimulusSet, got ndarray. Make one with .*load_stimuli"),
    (MODEL, torch.ones(4, 3), "stimuli must be a StimulusSet, got Tensor. Make one with"),
    (MODEL, "images", "stimuli must be a StimulusSet, got str. Make one with"),
    (MODEL, None, "stimuli must be a StimulusSet, got NoneType. Make one with"),
    (MODEL, Dataset({}, STIMULI), "got Dataset. Pass its stimuli: dataset.stimuli"),
    (MODEL, 3, "stimuli must be a StimulusSet, got int. Make one with"),
    (MODEL, [ARRAY], "stimuli must be a StimulusSet, got list. Make one with"),
    (STIMULI, MODEL, "model and stimuli are the wrong way round: give the model first"),
    ("resnet18", STIMULI, r"model must be a torch.nn.Module, got str. Make one, e.g. torchvision"),
    (None, STIMULI, "model must be a torch.nn.Module, got NoneType. Make one"),
    (ARRAY, STIMULI, "model must be a torch.nn.Module, got ndarray. Make one"),
    (STIMULI, STIMULI, "model must be a torch.nn.Module, got StimulusSet. Make one"),
    (MODEL.state_dict(), STIMULI, "model must be a torch.nn.Module, got OrderedDict. Make one"),
    (nn.ReLU, STIMULI, r"got the class ReLU. Make one, e.g. ReLU\(\)"),
    (torch.relu, STIMULI, "got builtin_function_or_method. Wrap it in a Module's forward"),
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
@pytest.mark.parametrize(("model", "stimuli", "sentence"), WRONG_RUNS, ids=lambda _: "")
def test_runs_of_something_else_than_a_model_and_stimuli(run, model, stimuli, sentence):
    with pytest.raises(InputError, match=sentence):
        run(model, stimuli)


WRONG_SETTINGS = [
    ({"store": 3}, "store must be a path, got int. Type e.g. store='acts.zarr'"),
    ({"store": ARRAY}, "store must be a path, got ndarray"),
    ({"store": xr.DataTree()}, "store must be a path, got DataTree"),
    ({"batch_size": "4"}, "batch_size must be a whole number, at least 1, got '4'"),
    ({"memory": ARRAY}, "memory must be a size such as '4GiB'"),
    ({"memory": None}, "memory must be a size such as '4GiB'"),
    ({"reducer": ARRAY}, "reducer must be one of"),
    ({"reducer": 5}, "reducer must be one of"),
    ({"device": "gpu"}, "device='gpu' cannot be used: .*Leave device= out"),
    ({"workers": "2"}, "workers must be a number of processes, 0 or more, got '2'"),
    ({"ops": MODEL[0]}, "ops takes names, not modules"),
    ({"client": "tcp://here:8786", "store": "acts.zarr"}, "client must be a dask.distributed"),
    ({"client": 3}, "client= writes into a store that all workers reach; pass store="),
]


@pytest.mark.parametrize(("settings", "sentence"), WRONG_SETTINGS, ids=str)
def test_settings_of_a_wrong_kind(settings, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=sentence):
        nl.extract_activations(MODEL, STIMULI, **settings, quiet=True)


@pytest.mark.parametrize("sketch", ["64", 1.5, True, ARRAY], ids=str)
def test_a_sketch_of_a_wrong_kind(sketch):
    with pytest.raises(InputError, match="sketch must be a number of sums, such as 8192"):
        nl.extract_grams(MODEL, STIMULI, sketch=sketch, quiet=True)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (xr.DataTree(), "got a DataTree. Use it as it is"),
        (ARRAY, r"got ndarray. Type e.g. open_activations\('acts.zarr'\)"),
        (None, "got NoneType. Type e.g."),
        (3, "got int. Type e.g."),
        (STIMULI, "got StimulusSet. Type e.g."),
        (MODEL, "got Sequential. Type e.g."),
    ],
    ids=lambda _: "",
)
def test_opening_something_else_than_a_path(path, sentence):
    with pytest.raises(InputError, match=sentence):
        nl.open_activations(path)


LOADED_FROM = "stimuli are loaded from a folder of images, a list of image files or an array, got "


@pytest.mark.parametrize(
    ("source", "settings", "sentence"),
    [
        (STIMULI, {}, "this is a StimulusSet already; use it as it is"),
        (MODEL, {}, LOADED_FROM + "Sequential. Type"),
        (nn.ReLU(), {}, LOADED_FROM + "ReLU. Type"),
        (None, {}, LOADED_FROM + "NoneType. Type"),
        (3, {}, LOADED_FROM + "int. Type"),
        ({}, {}, LOADED_FROM + "dict. Type"),
        (pd.DataFrame(ARRAY), {}, "the table must have one column of files, named 'path', "),
        (xr.DataArray(ARRAY), {}, LOADED_FROM + r"DataArray. Type load_stimuli\(array.values\)"),
        ([ARRAY, "a.png"], {}, "begins with arrays must hold arrays only, got str. Load the two"),
        ([[1.0, 2.0]], {}, "must hold paths of image files, got list. Stack arrays"),
        ([3, 4], {}, "must hold paths of image files, got int. Stack arrays"),
        (np.array(["a.png", "b.png"]), {}, "must hold numbers, got <U5. Pass files as a list"),
        (np.array([[None]]), {}, "must hold numbers, got object. Pass files as a list"),
        (ARRAY, {"ids": "cats"}, "ids must be a list with one id per stimulus, got 'cats'"),
        (
            ARRAY,
            {"ids": 4},
            "ids must be a list with one id per stimulus, in the order of the stimuli, got 4",
        ),
        (ARRAY, {"transform": 224}, "transform must be a function .*, got 224. Type e.g."),
        (ARRAY, {"transform": "resize"}, "transform must be a function .*, got 'resize'"),
        (ARRAY, {"metadata": {"name": [1, 2]}}, "metadata must be a DataFrame .*, got dict. Type"),
        (ARRAY, {"metadata": ARRAY}, "metadata must be a DataFrame .*, got ndarray. Type"),
    ],
    ids=lambda _: "",
)
def test_loading_stimuli_from_something_else(source, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        nl.load_stimuli(source, **settings)
