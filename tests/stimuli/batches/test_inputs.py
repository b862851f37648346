"""Stimuli of several inputs: from every source, padded to one shape, told where they do not fit."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import neurolens as nl
from neurolens.errors import InputError

N = 5


class Items(Dataset):
    """A Dataset of given items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


@pytest.fixture
def inputs(rng):
    return {
        "ids": torch.from_numpy(rng.integers(1, 20, (N, 7))),
        "mask": torch.from_numpy(rng.random((N, 7)) < 0.5),
        "gain": torch.from_numpy(rng.random(N).astype(np.float32)),
    }


def split(columns):
    return [{key: column[row] for key, column in columns.items()} for row in range(N)]


DICTS = {
    "arrays": lambda columns: {key: column.numpy() for key, column in columns.items()},
    "tensors": lambda columns: columns,
    "lists": lambda columns: {key: column.tolist() for key, column in columns.items()},
    "list of dicts": split,
    "Dataset of dicts": lambda columns: Items(split(columns)),
    "Dataset of lists": lambda columns: Items(
        [{key: part.tolist() for key, part in item.items()} for item in split(columns)]
    ),
}


def equal(batch, expected):
    return batch.keys() == expected.keys() and all(
        torch.equal(batch[key], expected[key]) and batch[key].dtype == expected[key].dtype
        for key in expected
    )


@pytest.mark.parametrize("kind", DICTS)
def test_dicts_come_from_every_source(kind, inputs):
    stimuli = nl.load_stimuli(DICTS[kind](inputs))
    assert equal(stimuli.read_rows(range(1, 4)), {key: one[1:4] for key, one in inputs.items()})
    assert equal(stimuli["stim002"], {key: one[2] for key, one in inputs.items()})
    chosen = stimuli.select(["stim004", "stim001"])
    assert equal(chosen.read_rows(range(2)), {key: one[[4, 1]] for key, one in inputs.items()})
    assert equal(pickle.loads(pickle.dumps(stimuli))["stim002"], stimuli["stim002"])
    assert stimuli.hash_items() == nl.load_stimuli(inputs).hash_items()
    assert stimuli.lengths.shape == (N, 0)


TUPLES = {
    "arrays": lambda ids, mask: (ids, mask),
    "lists": lambda ids, mask: (ids.tolist(), mask.tolist()),
    "list of tuples": lambda ids, mask: list(zip(ids, mask, strict=True)),
    "tuple of tuples": lambda ids, mask: tuple(zip(ids, mask, strict=True)),
    "Dataset": lambda ids, mask: TensorDataset(ids, mask),
    "Dataset with labels": lambda ids, mask: TensorDataset(ids, mask, torch.arange(N)),
    "list with labels": lambda ids, mask: [(*pair, 1, "a") for pair in zip(ids, mask, strict=True)],
}


@pytest.mark.parametrize("kind", TUPLES)
def test_tuples_come_from_every_source(kind, inputs):
    stimuli = nl.load_stimuli(TUPLES[kind](inputs["ids"], inputs["mask"]))
    batch = stimuli.read_rows(range(N))
    assert type(batch) is tuple
    assert torch.equal(batch[0], inputs["ids"])
    assert torch.equal(batch[1], inputs["mask"])


def test_a_batch_shares_nothing_with_its_source(inputs):
    stimuli = nl.load_stimuli(inputs)
    before = stimuli.hash_items()
    stimuli.read_rows(range(2))["ids"].zero_()
    assert stimuli.hash_items() == before


def test_the_hash_follows_every_input(inputs):
    base = nl.load_stimuli(inputs)
    other = nl.load_stimuli(inputs | {"mask": ~inputs["mask"]})
    assert base.hash_content() != other.hash_content()
    assert base.hash_each()[0] != other.hash_each()[0]
    renamed = nl.load_stimuli({f"{key}_": one for key, one in inputs.items()})
    assert base.hash_items() != renamed.hash_items()


def make_ragged(lengths):
    return [torch.arange(1, length + 1) for length in lengths]


def load_ragged(lengths, form=dict):
    rows = make_ragged(lengths)
    masks = [torch.ones(length, dtype=torch.bool) for length in lengths]
    columns = {"ids": rows, "mask": masks}
    return nl.load_stimuli(columns if form is dict else tuple(columns.values()))


def test_padding_is_told_and_its_lengths_are_kept():
    stimuli = load_ragged([2, 4, 3])
    with pytest.warns(RuntimeWarning, match="input 'ids': of length 2 to 4, padded with zeros to"):
        batch = stimuli.read_rows(range(2))
    assert batch["ids"].tolist() == [[1, 2, 0, 0], [1, 2, 3, 4]]
    assert batch["mask"].tolist() == [[True, True, False, False], [True] * 4]
    assert stimuli["stim002"]["ids"].tolist() == [1, 2, 3, 0]
    assert stimuli.lengths.to_dict("list") == {"ids": [2, 4, 3], "mask": [2, 4, 3]}


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=2, max_size=6), data=st.data())
def test_a_selection_is_padded_as_the_set(lengths, data):
    rows = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, unique=True))
    stimuli = load_ragged(lengths, tuple)
    if len(set(lengths)) > 1:
        with pytest.warns(RuntimeWarning, match="stimuli are padded, input 0"):
            assert len(stimuli.padding.shapes) == 2
    ids, _ = stimuli.read_rows(rows)
    assert ids.shape == (len(rows), max(lengths))
    assert ids.sum(1).tolist() == [sum(range(lengths[row] + 1)) for row in rows]
    chosen, _ = stimuli.select([stimuli.ids[row] for row in rows]).read_rows(range(len(rows)))
    assert torch.equal(chosen, ids)


def test_a_transform_may_return_several_inputs():
    def tokenize(x):
        x = torch.as_tensor(x)
        return {"ids": x[x > 0], "mask": x[x > 0] > 0}

    stimuli = nl.load_stimuli(np.array([[3, 0, 0], [4, 5, 0]]), transform=tokenize)
    with pytest.warns(RuntimeWarning, match="of length 1 to 2, padded"):
        chosen = stimuli.select(["stim000"])
    assert chosen["stim000"]["ids"].tolist() == [3, 0]
    assert stimuli.read_rows([0, 1])["mask"].tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize("kind", ["files", "PIL", "array"])
def test_pictures_with_text(kind, rng, tmp_path):
    pixels = rng.integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    pictures = [Image.fromarray(one) for one in pixels]
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    source = {"files": paths, "PIL": pictures, "array": pixels}[kind]
    tokens = np.array([[1, 2], [3, 4]])
    stimuli = nl.load_stimuli({"image": source, "tokens": tokens})
    batch = stimuli.read_rows(range(2))
    assert torch.equal(batch["image"], nl.load_stimuli(source).read_rows(range(2)))
    assert batch["tokens"].tolist() == tokens.tolist()
    if kind != "array":
        assert any(part.startswith("pictures") for part in stimuli.preprocessing.parts)

    def show(stimulus):
        assert isinstance(stimulus["image"], Image.Image)
        return torch.from_numpy(np.asarray(stimulus["image"]).copy()), torch.tensor([1])

    shown = stimuli.use_transform(show).read_rows(range(2))
    assert torch.equal(shown[0], torch.from_numpy(pixels))


def test_pictures_of_many_sizes_are_cut_to_one_without_a_word(rng):
    pictures = [
        Image.fromarray(rng.integers(0, 256, (8, 8 + i, 3)).astype(np.uint8)) for i in (0, 1)
    ]
    stimuli = nl.load_stimuli((pictures, [[1], [2]]))
    assert stimuli.read_rows(range(2))[0].shape == (2, 3, 224, 224)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"a": torch.ones(3, 2), "b": torch.ones(4, 2)}, "one row per stimulus, got 3 of 'a', 4"),
        ((torch.ones(3, 2), torch.ones(4, 2)), "Where each array is a stimulus, pass them as a l"),
        ({7: torch.ones(3, 2)}, "got the key 7. .* pass stimuli by id as load_stimuli.list"),
        ({"my picture": torch.ones(3, 2)}, "got the key 'my picture'"),
        ({}, "got dict"),
        ({"a": ["x.png"]}, "input 'a': these stimulus files do not exist"),
        ({"a": [{"b": torch.ones(2)}]}, "input 'a': must hold an array, .* got dict"),
        ({"a": [[1, 2], "x"]}, "input 'a': .* begins with lists of numbers must hold"),
        ([{"a": torch.ones(2)}, {"b": torch.ones(2)}], "got 'a' in the first and 'b' in number 2"),
        ([{"a": torch.ones(2)}, torch.ones(2)], "begins with dicts must hold dicts only"),
        ([(torch.ones(2), torch.ones(2)), (torch.ones(2),)], "got 0, 1 in the first and 0 in num"),
        (Items([{"a": "text"}]), "stimulus 0 must hold .* a number .* got str for 'a'"),
        (Items([{"a b": torch.ones(2)}]), "for each argument of the model, .* for 'a b'"),
        ({"a": np.ones((2, 3, 4, 4), np.uint8)}, "uint8 arrays are read as pictures of shape"),
    ],
    ids=lambda _: "",
)
def test_inputs_that_cannot_be_shown(source, sentence):
    with pytest.raises(InputError, match=sentence):
        nl.load_stimuli(source)


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([{"a": torch.ones(2)}, {"b": torch.ones(2)}], "same inputs, got 'a' in 'stim000' and 'b'"),
        ([{"a": torch.ones(2)}, torch.ones(2)], "of one kind: 'stim000' has several inputs, 'sti"),
        ([{"a": torch.ones(2)}, (torch.ones(2), torch.ones(2))], "the same inputs, got 'a' in"),
        ([{"a": torch.ones(2, 3)}, {"a": torch.ones(3, 2)}], "may differ in length along one axis"),
        ([{"a": torch.ones(2, 3)}, {"a": torch.ones(2)}], "may differ in length along one axis"),
        (
            [{"a": torch.ones(2)}, {"a": torch.arange(2)}],
            "input 'a' of the stimuli must have one d",
        ),
        (
            [torch.ones(2), {"a": torch.ones(2)}],
            "must be of one kind, got 'Tensor', 'dict' between",
        ),
    ],
    ids=lambda _: "",
)
def test_stimuli_that_do_not_go_together(items, sentence):
    stimuli = nl.load_stimuli(Items(items))
    with pytest.raises(InputError, match=sentence):
        stimuli.read_rows(range(2))


def test_a_transform_that_returns_something_else_is_told():
    stimuli = nl.load_stimuli(np.ones((2, 3)), transform=lambda x: {"a": torch.ones(2), "b": 1})
    with pytest.raises(InputError, match="a dict or tuple of tensors, got int for 'stim000'"):
        stimuli["stim000"]


def test_a_dataset_that_draws_its_inputs_is_refused(rng):
    class Noise(Items):
        def __getitem__(self, row):
            return {"a": torch.ones(2), "b": torch.from_numpy(rng.random(2))}

    with pytest.raises(InputError, match="the Noise gives another first stimulus each time"):
        nl.load_stimuli(Noise([1, 2]))
