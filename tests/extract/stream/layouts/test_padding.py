"""Pooling leaves out what only pads a stimulus, and says where it cannot."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import neurolens as nl
from neurolens.errors import InputError

N_FEATURES = 8
pytestmark = pytest.mark.filterwarnings("ignore:stimuli are padded:RuntimeWarning")


class Encoder(nn.Module):
    """One layer of a transformer that attends to the words that count."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(30, N_FEATURES)
        self.layer = nn.TransformerEncoderLayer(N_FEATURES, 2, 16, batch_first=True, dropout=0)

    def forward(self, input_ids, attention_mask):
        hidden = self.layer(self.words(input_ids), src_key_padding_mask=attention_mask == 0)
        return hidden.relu()


class WithPicture(Encoder):
    """Words, and rows of a picture of as many places: only the words are padded."""

    def forward(self, input_ids, attention_mask, picture):
        hidden = self.words(input_ids).relu()
        places = self.layer.linear1(picture)
        return hidden.sum() + torch.tanh(places).sum() + (hidden + picture).exp().sum()


def make_sentences(rng, lengths):
    return [rng.integers(1, 30, length) for length in lengths]


def load_ragged(sentences):
    masks = [np.ones(len(words), np.int64) for words in sentences]
    return nl.load_stimuli(
        {"input_ids": [words.tolist() for words in sentences], "attention_mask": masks}
    )


def pad_at(sentences, longest, side):
    ids = np.zeros((len(sentences), longest), np.int64)
    for row, words in zip(ids, sentences, strict=True):
        where = slice(len(words)) if side == "right" else slice(longest - len(words), None)
        row[where] = words
    return nl.load_stimuli({"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)})


def run_alone(model, sentences, pool):
    rows = []
    with torch.no_grad():
        for words in sentences:
            ids = torch.from_numpy(words)[None]
            rows.append(pool(model.eval()(ids, torch.ones_like(ids))[0]))
    return torch.stack(rows).numpy()


POOLS = {"mean": lambda t: t.mean(0), "max": lambda t: t.amax(0), "cls": lambda t: t[0]}


@pytest.mark.parametrize("reducer", POOLS)
@pytest.mark.parametrize("form", ["ragged", "right", "left"])
@pytest.mark.filterwarnings("ignore:.*hold NaN or infinite values:RuntimeWarning")
def test_pooled_words_are_those_of_the_sentence_alone(form, reducer, rng, tmp_path):
    model = Encoder()
    sentences = make_sentences(rng, [3, 6, 2, 5, 6, 1, 4])
    truth = run_alone(model, sentences, POOLS[reducer])
    stimuli = load_ragged(sentences) if form == "ragged" else pad_at(sentences, 6, form)
    options = {"reducer": reducer, "batch_size": 3, "quiet": True, "ops": "/relu"}
    acts = nl.extract_activations(model, stimuli, **options)
    np.testing.assert_allclose(acts["/relu"]["activation"], truth, atol=1e-5)
    step = json.loads(acts["/relu"]["activation"].attrs["reducers"])[0]
    assert step["pooled"] == ["token"]
    assert step["padding"] == "left out"
    stored = nl.extract_activations(model, stimuli, store=tmp_path / "acts.zarr", **options)
    np.testing.assert_array_equal(stored["/relu"]["activation"], acts["/relu"]["activation"])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=8), st.integers(1, 4), st.integers(0, 99))
def test_whatever_the_lengths_and_batches(lengths, batch_size, seed):
    model = Encoder()
    sentences = make_sentences(np.random.default_rng(seed), lengths)
    truth = run_alone(model, sentences, POOLS["mean"])
    acts = nl.extract_activations(
        model, load_ragged(sentences), ops="/relu", reducer="mean", batch_size=batch_size,
        quiet=True,
    )  # fmt: skip
    np.testing.assert_allclose(acts["/relu"]["activation"], truth, atol=1e-5)


def test_components_are_fitted_without_padding(rng):
    model = Encoder()
    sentences = make_sentences(rng, [3, 6, 2, 5, 6, 1, 4, 2, 5])
    truth = run_alone(model, sentences, POOLS["mean"]).astype(np.float64)
    stimuli = load_ragged(sentences)
    reducers = ["mean", nl.extract.PCA(2, fit_on=stimuli.ids)]
    acts = nl.extract_activations(
        model, stimuli, ops="/relu", reducer=reducers, batch_size=4, quiet=True
    )
    u, s, _ = np.linalg.svd(truth - truth.mean(0), full_matrices=False)
    expected = np.abs(u[:, :2] * s[:2])
    np.testing.assert_allclose(np.abs(acts["/relu"]["activation"]), expected, atol=1e-4)


def test_half_precision_adds_up_in_single(rng):
    class Large(Encoder):
        def forward(self, input_ids, attention_mask):
            return (self.words(input_ids) * 0 + 3e4).half().abs()

    acts = nl.extract_activations(
        Large(), load_ragged(make_sentences(rng, [3, 9, 2])), ops="/abs", reducer="mean", quiet=True
    )
    assert acts["/abs"]["activation"].dtype == np.float16
    np.testing.assert_allclose(acts["/abs"]["activation"], 3e4, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:1 results are pooled with the positions that pad")
def test_places_of_a_picture_are_no_words(rng):
    """An axis as long as the padded one, of another input, is pooled whole, and that is told."""
    sentences = make_sentences(rng, [3, 6, 2, 5])
    pictures = rng.normal(size=(4, 6, N_FEATURES)).astype(np.float32)
    masks = [np.ones(len(words), np.int64) for words in sentences]
    stimuli = nl.load_stimuli(
        {
            "input_ids": [words.tolist() for words in sentences],
            "attention_mask": masks,
            "picture": pictures,
        }
    )
    model = WithPicture()
    acts = nl.extract_activations(
        model, stimuli, ops=["/tanh", "/relu", "/exp"], reducer="mean", quiet=True
    )
    with torch.no_grad():
        places = torch.tanh(model.layer.linear1(torch.from_numpy(pictures))).mean(1)
    np.testing.assert_allclose(acts["/tanh"]["activation"], places, atol=1e-5)
    told = {
        name: json.loads(acts[name]["activation"].attrs["reducers"])[0]["padding"]
        for name in acts.attrs["ops"]
    }
    assert told == {"/relu": "left out", "/tanh": "included, if any", "/exp": "included, if any"}


def test_a_mask_of_other_numbers_is_refused(rng):
    ids = rng.integers(1, 30, (4, 5))
    stimuli = nl.load_stimuli({"input_ids": ids, "attention_mask": np.where(ids > 9, 0.0, -1e9)})
    with pytest.raises(InputError, match="'attention_mask' must hold 1 where a position counts"):
        nl.extract_activations(Encoder(), stimuli, ops="/relu", reducer="mean", quiet=True)


class Decoder(Encoder):
    """Words that are read, and words that are written, which have lengths of their own."""

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        read = self.words(input_ids).relu()
        return self.words(decoder_input_ids).tanh() + read.mean((1, 2))[:, None, None]


def read_padding(acts, op):
    return json.loads(acts[op]["activation"].attrs["reducers"])[0]["padding"]


@pytest.mark.filterwarnings("ignore:1 results are pooled with the positions that pad")
@pytest.mark.parametrize("form", ["ragged", "padded"])
def test_the_mask_of_an_encoder_is_not_that_of_the_decoder(form, rng):
    read = make_sentences(rng, [3, 6, 2, 5, 6])
    written = make_sentences(rng, [6, 1, 4, 2, 3])
    words = np.stack([np.pad(ids, (0, 6 - len(ids))) for ids in read])
    answers = np.stack([np.pad(ids, (0, 6 - len(ids))) for ids in written])
    inputs = {
        "input_ids": words,
        "attention_mask": (words > 0).astype(np.int64),
        "decoder_input_ids": answers,
    }
    if form == "ragged":
        inputs = {
            "input_ids": [ids.tolist() for ids in read],
            "attention_mask": [[1] * len(ids) for ids in read],
            "decoder_input_ids": [ids.tolist() for ids in written],
        }
    model = Decoder()
    acts = nl.extract_activations(
        model, nl.load_stimuli(inputs), ops=["/relu", "/tanh"], reducer="mean", quiet=True
    )
    assert read_padding(acts, "/relu") == "left out"
    assert read_padding(acts, "/tanh") == "included, if any"
    with torch.no_grad():
        whole = model.words(torch.from_numpy(answers)).tanh().mean(1)
    np.testing.assert_allclose(acts["/tanh"]["activation"], whole, atol=1e-6)


MOVED = {
    "flip": lambda model, ids: model.words(ids).flip(1),
    "flipped ids": lambda model, ids: model.words(ids.flip(-1)),
    "sort": lambda model, ids: model.words(ids.gather(1, ids.argsort(1))),
    "order": lambda model, ids: model.words(ids)[:, torch.arange(5, -1, -1)],
    "roll": lambda model, ids: model.words(ids).roll(2, 1),
}


@pytest.mark.parametrize("kind", MOVED)
def test_words_in_another_order_are_not_masked_in_the_first(kind, rng):
    class Moving(Encoder):
        def forward(self, input_ids, attention_mask):
            return MOVED[kind](self, input_ids).relu()

    stimuli = load_ragged(make_sentences(rng, [3, 6, 2, 5, 6]))
    with pytest.warns(RuntimeWarning, match="1 results are pooled with the positions that pad"):
        acts = nl.extract_activations(Moving(), stimuli, ops="/relu", reducer="mean", quiet=True)
    assert read_padding(acts, "/relu") == "included, if any"
    assert acts.attrs["pooled_with_padding"] == ["/relu"]


def test_rows_taken_by_their_numbers_keep_their_order(rng):
    class Indexing(Encoder):
        def forward(self, input_ids, attention_mask):
            rows = torch.arange(len(input_ids))[:, None]
            counted = attention_mask[rows, torch.arange(input_ids.shape[1])]
            return (self.words(input_ids) * counted[..., None]).relu()

    stimuli = load_ragged(make_sentences(rng, [3, 6, 2, 5, 6]))
    acts = nl.extract_activations(Indexing(), stimuli, ops="/relu", reducer="mean", quiet=True)
    assert read_padding(acts, "/relu") == "left out"
    assert "ops_after_mixing" not in acts.attrs


WORDS = {
    "float32": lambda h: h.relu(),
    "int64": lambda h: (h * 1e6).long(),
    "int16": lambda h: (h * 100).short(),
    "bool": lambda h: h > 0,
}


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("how", ["mean", "max", "cls"])
def test_a_stimulus_none_of_whose_positions_count_is_nan(how, kind, rng):
    ids = rng.integers(1, 30, (4, 5))
    mask = np.ones_like(ids)
    mask[2] = 0
    mask[3, :2] = 0

    class Words(Encoder):
        def forward(self, input_ids, attention_mask):
            return WORDS[kind](self.words(input_ids))

    model = Words()
    stimuli = nl.load_stimuli({"input_ids": ids, "attention_mask": mask})
    op = (
        nl.trace(
            model,
            None,
            kwargs={
                key: torch.from_numpy(one)
                for key, one in {"input_ids": ids, "attention_mask": mask}.items()
            },
        )
        .graph.ops[-1]
        .name
    )
    with pytest.warns(RuntimeWarning, match="1 ops hold NaN or infinite values"):
        acts = nl.extract_activations(model, stimuli, ops=op, reducer=how, quiet=True)
    found = acts[op]["activation"]
    assert found.dtype == (np.float64 if kind == "int64" and how != "mean" else np.float32)
    assert np.isnan(found).all("feature").values.tolist() == [False, False, True, False]
    whole = model(torch.from_numpy(ids), None).double()
    for i, row in ((0, whole[0]), (3, whole[3, 2:])):
        expected = {"mean": row.mean(0), "max": row.amax(0), "cls": row[0]}[how]
        np.testing.assert_allclose(found[i], expected.detach(), rtol=1e-6, atol=1e-6)


class Frames(nn.Module):
    """A layer over windows of a sound, as in networks that read waveforms."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 4, stride=2)

    def forward(self, input_values):
        return self.conv(input_values[:, None]).relu()


def test_frames_that_windows_make_of_padded_sounds_are_told(rng):
    """Frames are fewer than samples: which of them are padding cannot be told, but that some are."""
    sounds = [rng.standard_normal(size).astype(np.float32) for size in (20, 31, 12)]
    stimuli = nl.load_stimuli({"input_values": sounds})
    with pytest.warns(RuntimeWarning, match="stimuli are padded"):
        assert len(stimuli.lengths) == 3
    with pytest.warns(RuntimeWarning, match=r"2 results are pooled with .*'conv/conv1d', '/relu'"):
        acts = nl.extract_activations(Frames(), stimuli, reducer="mean", quiet=True)
    assert acts.attrs["pooled_with_padding"] == ["conv/conv1d", "/relu"]
    alike = nl.load_stimuli({"input_values": np.stack([sounds[0]] * 3)})
    whole = nl.extract_activations(Frames(), alike, reducer="mean", quiet=True)
    assert "pooled_with_padding" not in whole.attrs


def test_a_class_token_before_the_words_is_no_padding(rng):
    """Results are longer than the inputs by it, so padding is not told apart in them."""

    class Classes(Encoder):
        def forward(self, input_ids, attention_mask):
            words = self.words(input_ids)
            first = torch.ones_like(words[:, :1])
            return torch.cat([first, words], 1).relu()

    stimuli = load_ragged(make_sentences(rng, [3, 6, 2]))
    acts = nl.extract_activations(Classes(), stimuli, ops="/relu", reducer="cls", quiet=True)
    assert read_padding(acts, "/relu") == "included, if any"
    assert "pooled_with_padding" not in acts.attrs
