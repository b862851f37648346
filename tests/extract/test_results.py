"""Results found by the words that choose ops, and the steps of a layer as one array."""

import re

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.extract import select_results, stack_steps

AREAS = ["V1", "V2"]


class TwoAreas(nn.Module):
    """Two areas in three steps, with feedback; ``seen`` notes what each gave."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.V1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.V2 = nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU())
        self.back, self.out = nn.Conv2d(5, 3, 1), nn.Linear(5, 2)
        self.seen = {area: [] for area in AREAS}

    def forward(self, x):
        v2 = None
        for _ in range(3):
            v1 = self.V1(x if v2 is None else x + self.back(v2))
            v2 = self.V2(v1)
            self.seen["V1"].append(v1)
            self.seen["V2"].append(v2)
        return self.out(v2.mean((2, 3)))


class Shrinking(nn.Module):
    """A layer whose result is smaller at each step."""

    def __init__(self):
        super().__init__()
        self.area = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.area(self.area(x))


@pytest.fixture
def images(rng):
    return nl.load_stimuli(rng.normal(size=(5, 3, 6, 6)).astype(np.float32))


@pytest.fixture
def model():
    return TwoAreas().eval()


def see(model, images):
    for seen in model.seen.values():
        seen.clear()
    with torch.no_grad():
        model(torch.stack([images[i] for i in images.ids]))
    return {area: torch.stack(seen, 1).numpy() for area, seen in model.seen.items()}


@pytest.mark.parametrize("in_store", [False, True])
def test_steps_of_an_area_are_one_array(model, images, in_store, tmp_path):
    store = tmp_path / "acts.zarr" if in_store else None
    acts = nl.extract_activations(model, images, ops=AREAS, store=store, quiet=True)
    if in_store:
        acts = nl.open_activations(store)
    expected = see(model, images)
    for area in AREAS:
        stacked = stack_steps(acts, area)
        assert stacked.dims == ("stimulus", "step", "channel", "y", "x")
        np.testing.assert_allclose(stacked, expected[area], atol=1e-5)
        assert stacked.step.values.tolist() == [1, 2, 3]
        assert stacked.time_step.values.tolist() == [1, 2, 3]
        assert stacked.stimulus.values.tolist() == list(images.ids)
        assert stacked.op.values.tolist()[1] == f"{area}.1/relu@2"
    later = stack_steps(acts, "V2@2:")
    np.testing.assert_allclose(later, expected["V2"][:, 1:], atol=1e-5)
    assert later.step.values.tolist() == [2, 3]


@pytest.mark.parametrize("in_store", [False, True])
def test_a_result_lists_its_ops_in_execution_order(model, images, in_store, tmp_path):
    store = tmp_path / "acts.zarr" if in_store else None
    acts = nl.extract_activations(model, images, store=store, quiet=True)
    names = [op.name for op in nl.trace(model, images[images.ids[0]][None]).graph]
    assert acts.attrs["ops"] == names
    assert nl.extract_grams(model, images, quiet=True).op.values.tolist() == names


def test_results_carry_their_step(model, images):
    acts = nl.extract_activations(model, images, quiet=True)
    assert acts["V1.1/relu@2"]["activation"].attrs["time_step"] == 2
    assert "time_step" not in acts["out/linear"]["activation"].attrs
    grams = nl.extract_grams(model, images, ops=["V1@2:", "out"], quiet=True)
    np.testing.assert_array_equal(grams.time_step, [2, 3, np.nan])


def test_a_gram_of_every_step_is_in_execution_order(model, images):
    grams = nl.extract_grams(model, images, ops=["V2", "V1"], quiet=True)
    expected = [f"V{area}.1/relu{call}" for call in ("", "@2", "@3") for area in (1, 2)]
    assert grams.op.values.tolist() == expected
    assert nl.forecast(model, images, ops=["V2", "V1"]).index.tolist() == expected


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ("V1", ["V1.1/relu", "V1.1/relu@2", "V1.1/relu@3"]),
        ("V1@last", ["V1.1/relu@3"]),
        ("V1@1:3", ["V1.1/relu", "V1.1/relu@2"]),
        (["V2@2", "V1@*"], ["V1.1/relu", "V1.1/relu@2", "V2.1/relu@2", "V1.1/relu@3"]),
        ("V2.1/relu", ["V2.1/relu"]),
        ("V2.1/relu@last", ["V2.1/relu@3"]),
        ("V2*@3", ["V2.1/relu@3"]),
        (re.compile("V2.*@3"), ["V2.1/relu@3"]),
        (slice(0, 2), ["V1.1/relu", "V2.1/relu"]),
        (slice(0, None, 4), ["V1.1/relu", "V1.1/relu@3"]),
    ],
    ids=str,
)
def test_results_are_found_by_the_words_of_ops(model, images, ops, expected):
    acts = nl.extract_activations(model, images, ops=AREAS, quiet=True)
    found = select_results(acts, ops)
    assert found.attrs["ops"] == expected
    assert [n["activation"].attrs["op"] for n in found.subtree if "activation" in n] == sorted(
        expected, key=lambda name: (name.split(".")[0], name)
    )
    grams = nl.extract_grams(model, images, ops=AREAS, quiet=True)
    xr.testing.assert_identical(select_results(grams, ops), grams.sel(op=expected))


def test_modules_and_all_are_words_for_results_too(model, images):
    acts = nl.extract_activations(model, images, quiet=True)
    assert select_results(acts, "all").attrs["ops"] == acts.attrs["ops"]
    names = [op.name for op in nl.trace(model, images[images.ids[0]][None], ops="modules")]
    assert select_results(acts, "modules").attrs["ops"] == names


def test_what_was_not_extracted_is_missed(model, images):
    acts = nl.extract_activations(model, images, ops="V1@1:3", quiet=True)
    assert stack_steps(acts, "V1").step.values.tolist() == [1, 2]
    with pytest.raises(UnknownNameError, match=r"'V1@last' asks .* not in these results: number 3"):
        select_results(acts, "V1@last")
    with pytest.raises(UnknownNameError, match="not in these results: number 3"):
        select_results(acts, "V1@2:")
    with pytest.raises(UnknownNameError, match="no result, or module with results, named 'V2'"):
        select_results(acts, "V2")
    with pytest.raises(UnknownNameError, match="none of 2 results matches"):
        select_results(acts, re.compile("V2"))


def test_what_is_made_of_results_is_found_too(model, images):
    grams = nl.extract_grams(model, images, ops=AREAS, quiet=True)
    rdms = nl.compute_rdms(grams)
    assert select_results(rdms, "V2@last").op.values.tolist() == ["V2.1/relu@3"]
    bare = rdms.drop_vars("executions")
    assert select_results(bare, "V2.1/relu@3").op.values.tolist() == ["V2.1/relu@3"]
    with pytest.raises(UnknownNameError, match="no result, or module with results, named 'V2@l"):
        select_results(bare, "V2@last")


def test_an_op_with_several_results_has_each_of_them(rng):
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            return self.rnn(self.rnn(x)[0][..., :3])[0]

    series = nl.load_stimuli(rng.normal(size=(4, 5, 3)).astype(np.float32))
    acts = nl.extract_activations(Reads(), series, ops="rnn", quiet=True)
    labels = [f"rnn/lstm{call}.{k}" for call in ("", "@2") for k in range(3)]
    assert acts.attrs["ops"] == labels
    assert select_results(acts, "rnn@last").attrs["ops"] == labels[3:]
    assert select_results(acts, "rnn/lstm").attrs["ops"] == labels[:3]
    assert select_results(acts, "rnn/lstm@2.1").attrs["ops"] == ["rnn/lstm@2.1"]
    with pytest.raises(InputError, match=r"several results for step 1: 'rnn/lstm.0' and"):
        stack_steps(acts, "rnn")
    assert stack_steps(acts, ["rnn/lstm.0", "rnn/lstm@2.0"]).sizes["step"] == 2


def test_steps_of_different_shape_are_not_stacked(images):
    acts = nl.extract_activations(Shrinking(), images, ops="area", quiet=True)
    with pytest.raises(InputError, match=r"the steps of 'area' differ in shape: .*'y': 4.*'y': 2"):
        stack_steps(acts, "area")


def test_steps_of_several_layers_are_not_stacked(model, images):
    acts = nl.extract_activations(model, images, ops=AREAS, quiet=True)
    with pytest.raises(InputError, match="those of 2: 'V1.1/relu', 'V2.1/relu'"):
        stack_steps(acts, AREAS)


def test_wrong_kinds_are_told_what_to_give(model, images):
    grams = nl.extract_grams(model, images, ops="V1", quiet=True)
    with pytest.raises(InputError, match=r"got Dataset. Grams have their executions along 'op'"):
        stack_steps(grams, "V1")
    with pytest.raises(InputError, match="chosen by names, patterns or slices, got function"):
        select_results(grams, lambda op: True)
    with pytest.raises(InputError, match="labelled along 'op', got ndarray"):
        select_results(np.ones(3), "V1")
    with pytest.raises(InputError, match="got DataTree without results"):
        select_results(xr.DataTree(), "V1")
