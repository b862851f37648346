"""Stimuli of several inputs go to the model as its arguments, and results are each stimulus's own."""

from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.errors import DataError, InputError, RecordingError
from neurolens.extract.stream import passes
from neurolens.extract.stream.batches import (
    are_alike,
    count_rows,
    move_batch,
    slice_rows,
    telling_ended_processes,
)

N = 11
LONGEST = 7


class Masked(nn.Module):
    """Words with a mask, pooled over those that count; the mask is written to."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(20, 6)
        self.out = nn.Linear(6, 4)

    def forward(self, ids, mask):
        weight = mask[..., None].float()
        pooled = (self.words(ids) * weight).sum(1) / weight.sum(1)
        mask.zero_()
        if ids[0, 0] == 19:  # some batches run other ops
            pooled = pooled * 1
        return torch.relu(self.out(pooled))


@pytest.fixture
def model():
    return Masked().eval()


@pytest.fixture
def sentences(rng):
    lengths = rng.integers(2, LONGEST + 1, N)
    lengths[:2] = (LONGEST, 2)
    rows = [torch.from_numpy(rng.integers(1, 19, length)) for length in lengths]
    rows[6][0] = 19
    return rows


@pytest.fixture
def truth(model, sentences):
    with torch.no_grad():
        rows = [model(row[None], torch.ones(1, len(row), dtype=torch.bool)) for row in sentences]
    return torch.cat(rows).numpy()


def pad(sentences):
    ids = torch.zeros(N, LONGEST, dtype=torch.int64)
    for i, row in enumerate(sentences):
        ids[i, : len(row)] = row
    return {"ids": ids, "mask": ids > 0}


def load(form, sentences):
    whole = pad(sentences)
    if form == "dict":
        return nl.load_stimuli(whole)
    if form == "tuple":
        return nl.load_stimuli(tuple(whole.values()))
    return nl.load_stimuli([{"ids": row, "mask": row > 0} for row in sentences])


@pytest.mark.parametrize("form", ["dict", "tuple"])
@pytest.mark.parametrize("workers", [0, 1])
def test_several_inputs_are_the_models_arguments(form, workers, model, sentences, truth):
    stimuli = load(form, sentences)
    settings = {"batch_size": 3, "workers": workers, "quiet": True}
    acts = nl.extract_activations(model, stimuli, ops="/relu", **settings)
    np.testing.assert_allclose(acts["/relu"]["activation"], truth, atol=1e-6)
    grams = nl.extract_grams(model, stimuli, ops="/relu", **settings)
    np.testing.assert_allclose(grams.gram[0], truth @ truth.T, atol=1e-5)
    costs = nl.forecast(model, stimuli, ops="/relu", batch_size=3)
    assert costs.loc["/relu", "shape"] == (4,)


def test_padded_inputs_are_told_and_masked_ones_change_nothing(model, sentences, truth, tmp_path):
    stimuli = load("ragged", sentences)
    with pytest.warns(RuntimeWarning, match="input 'ids': of length 2 to 7, padded with zeros"):
        acts = nl.extract_activations(model, stimuli, batch_size=4, quiet=True)
    np.testing.assert_allclose(acts["/relu"]["activation"], truth, atol=1e-6)
    assert acts["words/embedding"]["activation"].shape == (N, LONGEST, 6)
    assert acts.attrs["padded_inputs"][0].startswith("input 'ids': of length 2 to 7, padded with")
    grams = nl.extract_grams(model, stimuli, ops="/relu", batch_size=4, quiet=True)
    np.testing.assert_allclose(grams.gram[0], truth @ truth.T, atol=1e-5)
    assert len(grams.attrs["padded_inputs"]) == 2


def test_a_store_knows_its_inputs(model, sentences, truth, tmp_path):
    path = tmp_path / "acts.zarr"
    stimuli = load("dict", sentences)
    settings = {"store": path, "ops": "/relu", "batch_size": 4, "quiet": True}
    for _ in range(2):
        acts = nl.extract_activations(model, stimuli, **settings)
        np.testing.assert_allclose(acts["/relu"]["activation"], truth, atol=1e-6)
    whole = pad(sentences)
    whole["mask"][3, 1] = False
    with pytest.raises(DataError, match="the stimuli differ: 1 changed, first 'stim003'"):
        nl.extract_activations(model, nl.load_stimuli(whole), **settings)


def test_a_selection_keeps_its_padding_in_the_store(model, sentences, tmp_path):
    """The same four sentences, padded to another length, are not the same run."""
    stimuli = load("ragged", sentences)
    with pytest.warns(RuntimeWarning, match="padded"):
        chosen = stimuli.select(stimuli.ids[1:5])
    settings = {"store": tmp_path / "acts.zarr", "batch_size": 4, "quiet": True, "ops": "/relu"}
    nl.extract_activations(model, chosen, **settings)
    rows = [{"ids": row, "mask": row > 0} for row in sentences[1:5]]
    alone = nl.load_stimuli(rows, ids=chosen.ids)
    with (
        pytest.warns(RuntimeWarning, match="padded"),
        pytest.raises(DataError, match=r"padding was .* .7,.* is now .* .5,"),
    ):
        nl.extract_activations(model, alone, **settings)


def test_an_argument_that_the_model_does_not_take_is_told(model):
    stimuli = nl.load_stimuli(
        {"ids": torch.ones(3, 2, dtype=torch.int64), "masc": torch.ones(3, 2)}
    )
    with pytest.raises(RecordingError, match="unexpected keyword argument 'masc'"):
        nl.extract_activations(model, stimuli, quiet=True)


class Gained(nn.Module):
    """A layer of an input times a gain; it writes to the gain, and counts its calls in a list."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 5)

    def forward(self, x, gain=None, seen=None, scale=1.0):
        if seen is not None:
            seen.append(len(seen))
            assert len(seen) == 1, "another pass left something"
        y = torch.relu(self.layer(x * gain)) * scale
        if isinstance(gain, torch.Tensor):
            gain.zero_()
        return y


@pytest.fixture
def values(rng):
    return rng.standard_normal((N, 6)).astype(np.float32)


@pytest.mark.parametrize("gain", [2.0, torch.tensor(2.0), torch.arange(6.0)], ids=str)
def test_keyword_arguments_go_to_every_batch(gain, values):
    model = Gained().eval()
    stimuli = nl.load_stimuli(values)
    kwargs = {"gain": gain, "seen": [], "scale": 3}
    expected = 3 * torch.relu(model.layer(torch.from_numpy(values) * gain)).detach().numpy()
    before = gain.clone() if isinstance(gain, torch.Tensor) else gain
    settings = {"kwargs": kwargs, "batch_size": 4}
    acts = nl.extract_activations(model, stimuli, **settings, quiet=True)
    np.testing.assert_allclose(acts["/mul_2"]["activation"], expected, atol=1e-5)
    assert acts.attrs["kwargs"][1:] == ["seen: list ()", "scale: 3"]
    grams = nl.extract_grams(model, stimuli, **settings, precision="float64", quiet=True)
    np.testing.assert_allclose(grams.gram.sel(op="/mul_2"), expected @ expected.T, rtol=1e-4)
    assert "/mul_2" in nl.forecast(model, stimuli, **settings).index
    assert kwargs["seen"] == []
    assert torch.equal(torch.as_tensor(kwargs["gain"]), torch.as_tensor(before))


def test_what_cannot_be_copied_is_handed_on(values):
    class Fixed:
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    kwargs = {"gain": torch.tensor(2.0), "scale": 1.0, "other": Fixed()}

    class Takes(Gained):
        def forward(self, x, gain, scale, other):
            assert other is kwargs["other"]
            return super().forward(x, gain, None, scale)

    model = Takes().eval()
    acts = nl.extract_activations(model, nl.load_stimuli(values), kwargs=kwargs, quiet=True)
    expected = torch.relu(model.layer(torch.from_numpy(values) * 2)).detach()
    np.testing.assert_allclose(acts["/relu"]["activation"], expected, atol=1e-5)
    assert kwargs["gain"] == 2


def test_keyword_arguments_beside_several_inputs(values, sentences):
    class Both(Masked):
        def forward(self, ids, mask, bias):
            return super().forward(ids, mask) + bias

    model = Both().eval()
    for form in ("dict", "tuple"):
        stimuli = load(form, sentences)
        acts = nl.extract_activations(
            model, stimuli, kwargs={"bias": torch.ones(4)}, batch_size=4, quiet=True
        )
        difference = acts["/add"]["activation"] - acts["/relu"]["activation"]
        np.testing.assert_allclose(difference, 1, atol=1e-6)


def test_a_store_knows_its_keyword_arguments(values, tmp_path):
    model = Gained().eval()
    stimuli = nl.load_stimuli(values)
    settings = {"store": tmp_path / "a.zarr", "batch_size": 4, "quiet": True}
    for _ in range(2):
        nl.extract_activations(model, stimuli, kwargs={"gain": torch.tensor(2.0)}, **settings)
    for other, sentence in (
        ({"gain": torch.tensor(2.5)}, "1 changed, first 'gain'"),
        ({"gain": torch.tensor(2.0), "scale": 1.0}, "1 added, first 'scale'"),
    ):
        with pytest.raises(DataError, match=rf"keyword arguments .kwargs=. differ: {sentence}"):
            nl.extract_activations(model, stimuli, kwargs=other, **settings)


@pytest.mark.parametrize("call", [nl.extract_activations, nl.extract_grams, nl.forecast])
def test_keyword_arguments_that_cannot_be_used(call, values, sentences):
    stimuli = nl.load_stimuli(values)
    with pytest.raises(InputError, match="kwargs must be a dict .* by name, got list"):
        call(Gained(), stimuli, kwargs=[("gain", 2.0)])
    with pytest.raises(InputError, match="'mask' of kwargs= is an input of the stimuli too"):
        call(Masked(), load("dict", sentences), kwargs={"mask": 1})
    with pytest.raises(RecordingError, match="unexpected keyword argument 'gian'"):
        call(Gained(), stimuli, kwargs={"gian": 2.0})


@pytest.mark.parametrize(
    "batch",
    [torch.arange(4.0), {"a": torch.arange(4.0), "b": torch.ones(4, 2)}, (torch.arange(4.0),)],
    ids=["tensor", "dict", "tuple"],
)
def test_rows_of_batches(batch):
    assert count_rows(batch) == 4
    first = slice_rows(batch, slice(1))
    assert type(first) is type(batch)
    assert count_rows(first) == 1
    assert are_alike(first)
    assert not are_alike(batch)
    assert count_rows(move_batch(batch, torch.device("meta"))) == 4


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_picture_that_cannot_be_read_is_named_without_a_traceback(workers, tmp_path, rng):
    for i in range(7):
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    stimuli = nl.load_stimuli(tmp_path, transform=pil_to_tensor)
    damaged = tmp_path / "6.png"
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(InputError, match=r"^'[^\n]*6\.png' cannot be read as an image") as caught:
        nl.extract_activations(nn.Flatten(), stimuli, batch_size=3, workers=workers, quiet=True)
    assert "Traceback" not in str(caught.value)
    assert caught.value.anchor == "stimulus-unreadable"


class Interrupted(nn.Module):
    """A model in whose forward torch raises, as it does when a process of a loader has ended."""

    def __init__(self, words):
        super().__init__()
        self.words = words
        self.is_planned = False

    def forward(self, x):
        y = x * 2
        if self.is_planned:
            raise RuntimeError(self.words)
        return y + 1


@pytest.fixture
def run(rng):
    """Run a model over a set, where the model is told once planning is done."""

    def run_set(model, **settings):
        stimuli = nl.load_stimuli(rng.standard_normal((N, 3)).astype(np.float32))
        real = passes.load_batches

        def load(*args):
            model.is_planned = True
            return real(*args)

        with mock.patch.object(passes, "load_batches", load):
            return nl.extract_activations(model, stimuli, batch_size=3, quiet=True, **settings)

    return run_set


@pytest.mark.parametrize(
    "words",
    [
        "DataLoader worker (pid 7) is killed by signal: Killed. ",
        "DataLoader worker (pid(s) 7, 8) exited unexpectedly",
    ],
)
def test_the_end_of_a_process_that_reads_ahead_is_told_with_what_to_type(words, run):
    with pytest.raises(DataError, match="has ended: DataLoader worker.* or workers=0 to read"):
        run(Interrupted(words))
    with (
        pytest.raises(DataError, match="has ended: DataLoader worker"),
        telling_ended_processes(),
    ):
        raise RuntimeError(words)


def test_other_errors_while_a_set_is_run_stay_as_they_are(run):
    with pytest.raises(RecordingError, match="the file of row 3 is gone"):
        run(Interrupted("the file of row 3 is gone"))
    with pytest.raises(RuntimeError, match=r"^no worker$"), telling_ended_processes():
        raise RuntimeError("no worker")
