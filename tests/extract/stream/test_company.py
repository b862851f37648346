"""Branches on values of a whole batch that none of the stimuli compared before shows."""

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import InputError

# The eight compared are 0 to 3, 22, 41, 60 and 79: none of the batches from 24 and from 8.
N_STIMULI = 80
REASON = "its values for a stimulus depend on the other stimuli of the batch"
# Passes are noted outside of models, whose own attributes are put back.
PASSES: list[int] = []


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 6)
        self.function = function

    def forward(self, x):
        PASSES.append(len(x))
        return self.function(self.linear(x.clamp(max=3)), x).tanh()


def make_stimuli(large=(27,)):
    """Return stimuli, some of which have a large value; none of the eight that are compared has."""
    x = np.random.default_rng(0).uniform(-1, 1, (N_STIMULI, 6)).astype(np.float32)
    x[list(large), 0] = 9
    return nl.load_stimuli(x)


def is_any(x):
    return bool((x > 5).any())


def halve(h, is_large):
    return h * 0.5 if is_large else h * 1.0


# name -> what is made of the layer's results and of the stimuli of a batch, one of which is large
BRANCHES = {
    "truth value": lambda h, x: halve(h, is_any(x)),
    "comparison": lambda h, x: halve(h, x.max() > 5),
    "logical": lambda h, x: halve(h, torch.logical_not((x < 5).all())),
    "whole number": lambda h, x: halve(h, int((x > 5).sum()) > 0),
    "item": lambda h, x: halve(h, (x > 5).sum().item() > 0),
    "list": lambda h, x: halve(h, max(x[:, 0].tolist()) > 5),
    "list of the stimuli": lambda h, x: halve(h, max(map(max, x.tolist())) > 5),
    "numpy": lambda h, x: halve(h, (x.numpy() > 5).any()),
    "number of the layer": lambda h, x: h * (1 + int(x.max() > 5)),
    "equal": lambda h, x: halve(h, not torch.equal(x.clamp(max=5), x)),
    "other ops": lambda h, x: h.sin().exp() if is_any(x) else h,
    "ops before others": lambda h, x: halve(h.sin() if is_any(x) else h, False),
    "statistics of the batch": lambda h, x: h - h.mean(0) if is_any(x) else h - h.mean(1)[:, None],
}


def extract(kind, name, stimuli, **settings):
    model = Function(BRANCHES.get(name, name)).eval()
    PASSES.clear()
    run = nl.extract_grams if kind == "grams" else nl.extract_activations
    result = run(model, stimuli, quiet=True, batch_size=8, **settings)
    if kind == "grams":
        return result, set(result.op.values.tolist())
    return result, {str(leaf["activation"].attrs["op"]) for leaf in result.leaves}


@pytest.mark.filterwarnings("ignore:.*computed from values of the whole batch")
@pytest.mark.parametrize("kind", ["activations", "grams"])
@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_that_changes_rows_is_found_in_the_batch_that_takes_it(name, kind):
    result, kept = extract(kind, name, make_stimuli())
    assert "/tanh" not in kept
    assert "linear/linear" in kept
    assert any(
        text.startswith("/tanh: ") and REASON in text for text in result.attrs["skipped_ops"]
    )
    with pytest.raises(InputError, match=f"'/tanh' has no values of single stimuli: {REASON}"):
        extract(kind, name, make_stimuli(), ops="/tanh")


@pytest.mark.parametrize("large", [(), range(N_STIMULI)], ids=["no batch", "every batch"])
@pytest.mark.parametrize("name", [name for name in BRANCHES if "batch" not in name])
def test_a_branch_that_all_batches_take_gives_rows_one_meaning(name, large):
    _, kept = extract("activations", name, make_stimuli(large))
    assert "/tanh" in kept


def test_what_such_a_branch_changes_is_kept_on_request_and_marked():
    settings = {"batch_dependent": True}
    with pytest.warns(RuntimeWarning, match="2 results depend on the other stimuli"):
        acts, kept = extract("activations", "number of the layer", make_stimuli(), **settings)
    assert "/tanh" in kept
    assert acts.attrs["batch_dependent_ops"] == ["/mul", "/tanh"]


def mask_large(h, x):
    """Leave the mask out where it masks nothing, as attention does."""
    mask = x[:, :1] < 5
    if mask.all():
        return h * 2
    return torch.where(mask, h, h.clamp(max=5)) * 2


UNMIXED = {
    "masks that mask nothing": mask_large,
    "large values are cut": lambda h, x: x.clamp(max=5) * 2 if is_any(x) else x * 2,
    "the same ops": lambda h, x: h * (2.0 if is_any(x) else 2),
    "checked": lambda h, x: h * (2 if torch.isfinite(x).all() else 3),
    "counted": lambda h, x: h * 2 if int((x > 5).sum()) else h + h,
    "listed": lambda h, x: h + len([value for value in x[:, 0].tolist() if value != value]),
}


@pytest.mark.parametrize("large", [(), (27,), (8, 9, 31), (0, 1, 20), range(24, 32)], ids=str)
@pytest.mark.parametrize("name", UNMIXED)
def test_branches_after_which_rows_are_the_same_are_no_alarm(name, large):
    acts, kept = extract("activations", UNMIXED[name], make_stimuli(large))
    assert "/tanh" in kept
    assert not [text for text in acts.attrs["skipped_ops"] if REASON in text]
    assert "ops_after_mixing" not in acts.attrs


def test_a_batch_is_run_again_only_where_something_else_was_read():
    usual = [3, 2, 3, 8] + [8] * (N_STIMULI // 8)
    for large in ((), (27,), (27, 9), (8, 9, 33)):
        extract("activations", UNMIXED["the same ops"], make_stimuli(large))
        assert len(PASSES) == len(usual) + (2 if large else 0)
    extract("activations", UNMIXED["checked"], make_stimuli((27,)))
    assert usual == PASSES


def test_one_stimulus_at_a_time_needs_no_test():
    model = Function(BRANCHES["comparison"]).eval()
    acts = nl.extract_activations(model, make_stimuli(), batch_size=1, quiet=True)
    assert not [text for text in acts.attrs["skipped_ops"] if REASON in text]
