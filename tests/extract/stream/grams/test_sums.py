"""Sums of products, and the check that every feature went into them once."""

import numpy as np
import pytest
from small_grams import make_layout
from torch import nn

import neurolens as nl
from neurolens.errors import RecordingError
from neurolens.extract.stream.grams import sums as gram_sums
from neurolens.extract.stream.grams.slices import FeatureSlice
from neurolens.extract.stream.grams.sums import run_passes
from neurolens.extract.stream.grams.totals import GramSums


def make_sums(layout, parts, gram=1.0):
    sums = GramSums()
    sums.open_result(layout.name, 2)
    sums.grams[layout.name] += gram
    sums.added[layout.name] += parts
    return sums


@pytest.mark.parametrize(
    "parts",
    [
        [range(0, 4)],
        [range(4, 10)],
        [range(0, 4), range(5, 10)],
        [range(0, 6), range(4, 10)],
        [range(0, 10), range(0, 10)],
        [range(0, 11)],
        [],
    ],
    ids=["end", "start", "middle", "overlap", "twice", "beyond", "nothing"],
)
def test_features_that_are_missing_or_doubled_are_an_error(parts):
    layout = make_layout("conv", 10)
    with pytest.raises(RecordingError, match="the Gram of 'conv' is not that of its 10 features"):
        make_sums(layout, parts).check_features(layout)


@pytest.mark.parametrize("parts", [[range(0, 10)], [range(4, 10), range(0, 4)]])
def test_features_that_are_all_there_pass(parts):
    layout = make_layout("conv", 10)
    make_sums(layout, parts).check_features(layout)


def test_sums_of_one_result_from_several_tasks_are_added_up():
    layout = make_layout("conv", 10)
    sums = make_sums(layout, [range(0, 4)], gram=1.0)
    sums.add(make_sums(layout, [range(4, 10)], gram=2.0))
    sums.add(make_sums(make_layout("relu", 3), [range(0, 3)], gram=5.0))
    np.testing.assert_array_equal(sums.grams["conv"], np.full((2, 2), 3.0))
    np.testing.assert_array_equal(sums.grams["relu"], np.full((2, 2), 5.0))
    sums.check_features(layout)


def test_a_slice_that_gets_lost_ends_the_extraction(monkeypatch, rng):
    def lose_the_first(plan, groups, progress=None):
        return run_passes(plan, [group[1:] if i == 0 else group for i, group in enumerate(groups)])

    monkeypatch.setattr("neurolens.extract.stream.workers.run_passes", lose_the_first)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU())
    stimuli = nl.load_stimuli(rng.standard_normal((4, 12)).astype(np.float32))
    with pytest.raises((RecordingError, KeyError)):
        nl.extract_grams(net, stimuli, quiet=True)


def test_two_slices_of_a_result_in_one_pass_are_both_added(rng):
    """The plan never asks for this; if it did, nothing would be lost."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 7))
    stimuli = nl.load_stimuli(rng.standard_normal((5, 12)).astype(np.float32))
    whole = nl.extract_grams(net, stimuli, ops="1", quiet=True)

    def cut_in_two(plan, groups, progress=None):
        (part,) = groups[0]
        return run_passes(
            plan, [[FeatureSlice(part.layout, 0, 3), FeatureSlice(part.layout, 3, 7)]]
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurolens.extract.stream.workers.run_passes", cut_in_two)
        cut = nl.extract_grams(net, stimuli, ops="1", quiet=True)
    atol = whole.attrs["eps"] * float(np.abs(whole.gram).max())
    np.testing.assert_allclose(cut.gram, whole.gram, rtol=0, atol=atol)
    np.testing.assert_allclose(cut.row_sum, whole.row_sum, rtol=0, atol=atol)


def test_a_batch_that_gives_nothing_ends_the_extraction(monkeypatch, rng):
    run_set = gram_sums.run_set

    def skip_a_batch(plan, layouts, handle, *, steps, **settings):
        run_set(plan, layouts, handle, steps=steps[:-1], **settings)

    monkeypatch.setattr(gram_sums, "run_set", skip_a_batch)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    stimuli = nl.load_stimuli(rng.standard_normal((6, 12)).astype(np.float32))
    with pytest.raises(RecordingError, match="2 stimuli gave nothing in a pass over the set"):
        nl.extract_grams(net, stimuli, batch_size=2, quiet=True)
