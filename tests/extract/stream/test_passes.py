"""Light passes are checked against the recorded one, whichever ops the model runs."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError
from neurolens.extract.stream import plan


class Picky(nn.Module):
    def forward(self, x):
        x = x + 1
        y = x.cos() if x.sum() > 0 else x.sin()
        return y * 2


@pytest.fixture
def mixed():
    x = np.ones((6, 3), np.float32)
    x[3] = -5
    return nl.load_stimuli(x)


def test_a_batch_with_another_graph_is_recorded_and_marked(mixed):
    acts = nl.extract_activations(Picky(), mixed, batch_size=1, quiet=True)
    x = np.stack([mixed[i].numpy() for i in mixed.ids]) + 1
    expected = np.where(x > 0, np.cos(x), np.sin(x)) * 2
    np.testing.assert_allclose(acts["mul/activation"], expected, rtol=1e-5)
    assert "ran" not in acts["mul"]
    assert acts["cos/ran"].values.tolist() == [True, True, True, False, True, True]
    assert np.isnan(acts["cos/activation"][3]).all()
    np.testing.assert_allclose(acts["cos/activation"][4], np.cos(x[4]), rtol=1e-5)
    assert acts.attrs["ops_some_stimuli_lack"] == ["/cos: 'stim003'"]
    assert acts.attrs["ops_only_some_stimuli_have"] == ["/sin"]
    assert acts.attrs["changed_batches"] == ["stim003: ran '/sin' where '/cos' was expected"]


class GoesOn(nn.Module):
    """Applies a second layer to some stimuli, behind the last op of all others."""

    def forward(self, x):
        x = x * 2
        return x.sin() if x[0, 0] < 0 else x


@pytest.mark.parametrize("ops", ["all", "/mul"])
def test_ops_behind_the_end_of_other_passes_are_told(mixed, ops):
    acts = nl.extract_activations(GoesOn(), mixed, ops=ops, batch_size=1, quiet=True)
    assert acts.attrs["ops_only_some_stimuli_have"] == ["/sin"]
    assert acts.attrs["changed_batches"] == ["stim003: ran '/sin' where 'nothing' was expected"]
    x = np.stack([mixed[i].numpy() for i in mixed.ids])
    np.testing.assert_array_equal(acts["mul/activation"], x * 2)
    grams = nl.extract_grams(GoesOn(), mixed, ops=ops, batch_size=1, quiet=True)
    assert grams.attrs["ops_only_some_stimuli_have"] == ["/sin"]


def test_an_op_that_some_stimuli_lack_has_no_gram(mixed):
    grams = nl.extract_grams(Picky(), mixed, batch_size=1, quiet=True)
    assert "/cos" not in grams.op.values
    assert "/mul" in grams.op.values
    assert "/cos: does not run for 1 stimuli, first 'stim003'" in grams.attrs["skipped_ops"]
    with pytest.raises(InputError, match=r"'/cos' does not run for 1 stimuli, first 'stim003'"):
        nl.extract_grams(Picky(), mixed, ops="/cos", batch_size=1, quiet=True)


def test_errors_name_the_stimuli_and_the_op():
    class Breaks(nn.Module):
        def forward(self, x):
            return (x + 1) @ (torch.ones(3, 3) if x.sum() > 0 else torch.ones(2, 2))

    x = np.ones((6, 3), np.float32)
    x[3] = -9
    with pytest.raises(
        RecordingError, match=r"stimuli 'stim003' to 'stim003'.*while recording op '/matmul'"
    ):
        nl.extract_activations(Breaks(), nl.load_stimuli(x), batch_size=1, quiet=True)


@pytest.mark.parametrize("extract", [nl.extract_activations, nl.extract_grams])
def test_freed_memory_is_kept_from_planning_on_and_looked_at_after_each_batch(
    mixed, extract, monkeypatch
):
    events = []

    @contextmanager
    def note_keeping(budget):
        events.append(f"keep within {budget}")
        yield lambda: events.append("looked at")
        events.append("given back")

    make_plan = plan.make_plan

    def note_planning(*args):
        events.append("plan")
        return make_plan(*args)

    monkeypatch.setattr(plan, "keep_freed_memory", note_keeping)
    monkeypatch.setattr(plan, "make_plan", note_planning)
    extract(GoesOn(), mixed, batch_size=2, memory="2GiB", quiet=True)
    assert events[:3] == [f"keep within {2 * 2**30}", "plan", "looked at"]
    assert events[-1] == "given back"
    assert events.count("looked at") >= 1 + 3


def test_memory_is_looked_at_after_each_op_also_of_those_that_nobody_wants(monkeypatch):
    net = nn.Sequential(*[nn.Linear(3, 3) for _ in range(20)])
    stimuli = nl.load_stimuli(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
    n_looks = []

    @contextmanager
    def note_keeping(budget):
        yield lambda: n_looks.append(1)

    monkeypatch.setattr(plan, "keep_freed_memory", note_keeping)
    nl.extract_grams(net, stimuli, ops="19/linear", batch_size=2, quiet=True)
    assert len(n_looks) >= 3 * 20
