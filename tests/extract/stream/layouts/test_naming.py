"""The names of the axes of inputs are told by what the model does with them, or by the user."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.extract.stream.layouts.finding import find_layouts


class Wrap(nn.Module):
    """A first op that tells nothing, then a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x.clone())


def name_ends(function, shape, whole=False):
    """Return the names of the input's axes, and those of the last result."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32))
    x = x.abs().mul(9).long() if whole else x
    with torch.no_grad():
        layouts = find_layouts(Wrap(function).eval(), x[:-1], x)
    dims = [" ".join(layout.dims) for layout in layouts.by_name.values()]
    return dims[0], dims[-1]


CUBE = torch.ones(4, 3, 2, 2, 2)
SQUARE = torch.ones(4, 3, 2, 2)
ROD = torch.ones(4, 3, 2)
WORDS = torch.ones(90, 6)


def run_lstm(x, **settings):
    torch.manual_seed(0)
    return nn.LSTM(x.shape[-1], 5, **settings)(x)[0] * 1


@pytest.mark.parametrize(
    ("function", "shape", "of_input", "of_last"),
    [
        (lambda x: F.conv3d(x, CUBE), (3, 5, 8, 8), "channel frame y x", "channel frame y x"),
        (
            lambda x: F.conv3d(x.transpose(1, 2), CUBE),
            (5, 3, 8, 8),
            "frame channel y x",
            "channel frame y x",
        ),
        (
            lambda x: F.conv2d(x.flatten(0, 1), SQUARE),
            (5, 3, 8, 8),
            "dim_1 channel y x",
            "dim_1 channel y x",
        ),
        (
            lambda x: F.conv2d(x.transpose(1, 2).flatten(0, 1), SQUARE),
            (3, 5, 8, 8),
            "channel dim_2 y x",
            "dim_1 channel y x",
        ),
        (
            lambda x: run_lstm(
                F.conv2d(x.flatten(0, 1), SQUARE).mean((2, 3)).view(len(x), -1, 4),
                batch_first=True,
            ),
            (5, 3, 8, 8),
            "frame channel y x",
            "frame feature",
        ),
        (lambda x: F.conv2d(x[:, 0], SQUARE), (5, 3, 8, 8), "dim_1 channel y x", "channel y x"),
        (lambda x: x + 1, (5, 3, 8, 8), "dim_1 dim_2 dim_3 dim_4", "dim_1 dim_2 dim_3 dim_4"),
        (lambda x: x.flatten(1), (5, 3, 8, 8), "dim_1 dim_2 dim_3 dim_4", "feature"),
        (
            lambda x: F.conv2d(x.flatten(1, 2), torch.ones(4, 15, 2, 2)),
            (5, 3, 8, 8),
            "dim_1 dim_2 y x",
            "channel y x",
        ),
        (lambda x: x + 1, (3, 8, 8), "channel y x", "channel y x"),
        (lambda x: F.conv2d(x.movedim(-1, 1), SQUARE), (8, 8, 3), "y x channel", "channel y x"),
        (lambda x: F.max_pool2d(x.movedim(-1, 1), 2), (8, 8, 3), "y x channel", "channel y x"),
        (
            lambda x: F.linear(x, torch.ones(5, 7)),
            (5, 6, 7),
            "dim_1 dim_2 feature",
            "dim_1 dim_2 feature",
        ),
        (lambda x: F.conv2d(x[:, None], SQUARE[:, :1]), (8, 9), "y x", "channel y x"),
        (lambda x: x + 1, (6, 7), "token feature", "token feature"),
        (lambda x: F.conv1d(x, ROD), (3, 20), "channel x", "channel x"),
        (lambda x: F.conv1d(x.mT, ROD), (20, 3), "x channel", "channel x"),
        (
            lambda x: F.conv1d(F.linear(x, torch.ones(3, 7)).mT, ROD),
            (20, 7),
            "token feature",
            "channel token",
        ),
        (lambda x: run_lstm(x, batch_first=True), (6, 7), "token feature", "token feature"),
        (lambda x: run_lstm(x.transpose(0, 1)), (6, 7), "token feature", "token feature"),
    ],
)
def test_the_model_tells_the_names(function, shape, of_input, of_last):
    assert name_ends(function, shape) == (of_input, of_last)


@pytest.mark.parametrize(
    ("function", "shape", "of_input", "of_last"),
    [
        (lambda x: F.embedding(x, WORDS), (5,), "feature", "token feature"),
        (lambda x: F.embedding(x, WORDS)[:, :, 0], (4, 5), "dim_1 token", "dim_1 feature"),
        (
            lambda x: F.conv1d(F.embedding(x, WORDS).mT, torch.ones(4, 6, 2)),
            (5,),
            "feature",
            "channel token",
        ),
    ],
)
def test_words_are_tokens(function, shape, of_input, of_last):
    assert name_ends(function, shape, whole=True) == (of_input, of_last)


def test_last_states_of_recurrent_layers_have_layers():
    x = torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    with torch.no_grad():
        layouts = find_layouts(nn.LSTM(7, 5, 2, batch_first=True), x[:-1], x).by_name
    assert layouts["/lstm.0"].dims == ("token", "feature")
    assert layouts["/lstm.1"].dims == layouts["/lstm.2"].dims == ("dim_1", "feature")


def extract(function, stimuli, **settings):
    acts = nl.extract_activations(Wrap(function), stimuli, quiet=True, **settings)
    arrays = [node["activation"] for node in acts.leaves if "activation" in node.data_vars]
    return [" ".join(array.dims[1:]) for array in arrays]


def test_the_user_tells_the_names(rng):
    clips = rng.standard_normal((4, 5, 3, 8, 8)).astype(np.float32)
    stimuli = nl.load_stimuli(clips, layout="frame channel y x")
    assert extract(lambda x: x + 1, stimuli) == ["frame channel y x"] * 2
    assert extract(lambda x: x + 1, stimuli.select(stimuli.ids[1:])) == ["frame channel y x"] * 2
    assert stimuli.use_transform(torch.as_tensor).layout == stimuli.layout
    pooled = extract(lambda x: F.conv2d(x.flatten(0, 1), SQUARE), stimuli, reducer="mean")
    assert pooled == ["channel"] * 3
    sound = nl.load_stimuli(rng.standard_normal((4, 3, 20)), layout="channel time")
    assert extract(lambda x: F.conv1d(x, ROD).relu(), sound) == ["channel time"] * 3
    rates = nl.load_stimuli(rng.standard_normal((4, 6)), layout="neuron")
    assert extract(lambda x: F.linear(x, torch.ones(3, 6)), rates) == ["neuron", "feature"]
    heard = nl.load_stimuli(rng.standard_normal((4, 3, 20, 9)), layout="channel time pitch")
    assert extract(lambda x: F.conv2d(x, SQUARE), heard) == ["channel time pitch"] * 2


def test_the_names_of_several_inputs(rng):
    class Two(nn.Module):
        def forward(self, clip, words):
            return clip * 1, words * 1

    clips = rng.standard_normal((4, 5, 3, 8, 8)).astype(np.float32)
    words = rng.standard_normal((4, 6, 7)).astype(np.float32)
    for source, layout in (
        ({"clip": clips, "words": words}, {"clip": "frame channel y x"}),
        ((clips, words), ("frame channel y x", "time neuron")),
    ):
        stimuli = nl.load_stimuli(source, layout=layout)
        acts = nl.extract_activations(Two(), stimuli, quiet=True)
        assert acts["/mul"]["activation"].dims[1:] == ("frame", "channel", "y", "x")
        names = ("token", "feature") if isinstance(layout, dict) else ("time", "neuron")
        assert acts["/mul_2"]["activation"].dims[1:] == names


def test_the_layout_is_part_of_what_a_store_knows(rng, tmp_path):
    clips = rng.standard_normal((4, 5, 3, 8, 8)).astype(np.float32)
    settings = {"store": tmp_path / "a.zarr", "reducer": "mean", "batch_size": 2}
    extract(lambda x: x + 1, nl.load_stimuli(clips, layout="frame channel y x"), **settings)
    with pytest.raises(DataError, match="layout was frame channel y x, is now channel frame"):
        extract(lambda x: x + 1, nl.load_stimuli(clips, layout="channel frame y x"), **settings)


@pytest.mark.parametrize("layout", ["", "y y", "stimulus y", "a-b c", 3, {"a": None}, ("y", 2)])
def test_a_layout_that_cannot_be_read(layout):
    with pytest.raises(
        InputError, match=r"a name for each axis .* Type e.g. layout='frame channel"
    ):
        nl.load_stimuli(np.ones((3, 2, 2)), layout=layout)


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ("frame y x", r"names 3 axes, and a stimulus has the shape \(2, 2\). Name each"),
        ({"words": "y x"}, "names the axes of 'input.words', and the inputs are 'input'. Type a"),
    ],
)
def test_a_layout_that_does_not_fit(layout, sentence):
    stimuli = nl.load_stimuli(np.ones((3, 2, 2)), layout=layout)
    with pytest.raises(InputError, match=sentence):
        extract(lambda x: x + 1, stimuli)
