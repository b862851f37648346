"""The script of a pass: what each call returns, what is used until when, what cannot be skipped."""

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.stream.batches import call_with_batch
from neurolens.extract.stream.follow import follow_forward
from neurolens.extract.stream.plan import RunSettings, open_plan
from neurolens.extract.stream.resume.script import Script, ScriptReader, digest_tensors


class Net(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(6))
        self.register_buffer("seen", torch.zeros(6))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def read_script(forward, n_stimuli=4):
    """Return the names of the ops of a forward, and its script."""
    rng = np.random.default_rng(0)
    stimuli = nl.load_stimuli(rng.standard_normal((6, 6)).astype(np.float32))
    with open_plan(Net(forward), stimuli, RunSettings(batch_dependent=True)) as plan:
        batch = plan.stimuli.read_rows(range(n_stimuli))
        readers = []

        def make(*args, **settings):
            readers.append(ScriptReader(*args, inputs=[batch], **settings))
            return readers[0]

        handlers = {len(plan.layouts.expected.names) - 1: lambda tensors: None}
        plan.noise.begin(plan.stimuli.ids[:n_stimuli])
        call = call_with_batch(plan.model, batch)
        settings = (plan.layouts.expected, n_stimuli, handlers, plan.noise)
        follow_forward(call, *settings, to_end=True, make_recorder=make)
        return plan.layouts.expected.names, readers[0].script


def test_results_are_new_or_the_arguments_themselves():
    def forward(net, x):
        y = x @ net.weight
        y += 1
        z = y.relu_().to(torch.float32)
        values, places = z.max(1, keepdim=True)
        left, right = z.chunk(2, 1)
        z[:, :1] = 0
        return left + values + places + right

    names, script = read_script(forward)
    calls = dict(zip(names, script.ops.values(), strict=True))
    given = {name: [one.given for one in call.outputs] for name, call in calls.items()}
    assert given["/matmul"] == [-1]
    assert given["/add"] == given["/relu"] == given["/to"] == [0]
    assert given["/max"] == given["/chunk"] == [-1, -1]
    assert given["/setitem"] == []
    assert calls["/max"].container.__module__ == "torch.return_types"
    assert calls["/chunk"].container in (tuple, list)
    assert [one.dtype for one in calls["/max"].outputs] == [torch.float32, torch.int64]
    assert script.limit > len(names)
    assert script.input_use == 0


def test_tensors_are_in_use_until_their_last_op():
    def forward(net, x):
        first = x.sin()
        second = first.cos()
        third = second.exp()
        return third + first

    names, script = read_script(forward)
    found = {names[one.place[0]]: one.last_use for one in script.tensors}
    assert found == {"/sin": 3, "/cos": 2, "/exp": 3, "/add": 3}
    assert script.op_bytes == [96, 96, 96, 96]


def test_views_share_a_memory_and_write_nothing():
    names, script = read_script(lambda net, x: x.sin()[:, :2].exp() + x[:, :2])
    memories = {names[one.place[0]]: one.memory for one in script.tensors}
    assert memories["/getitem"] == memories["/sin"] != memories["/exp"]
    assert memories["/getitem_2"] in script.own_memories
    assert dict(zip(names, script.op_bytes, strict=True))["/getitem"] == 0


@pytest.mark.filterwarnings("ignore:something unseen")
@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (lambda net, y: bool(y.sum() > -99), "Python reads values (__bool__)"),
        (lambda net, y: y.sum().item(), "Python reads values (item)"),
        (lambda net, y: y.tolist(), "Python reads values (tolist)"),
        (lambda net, y: repr(y), "Python reads values (__repr__)"),
        (lambda net, y: y.data_ptr(), "Python reads values (data_ptr)"),
        (lambda net, y: torch.equal(y, y), "Python reads values (equal)"),
        (lambda net, y: y.stride(), "Python reads the layout of results (stride)"),
        (lambda net, y: y.is_contiguous(), "Python reads the layout of results (is_contiguous)"),
        (lambda net, y: y.untyped_storage(), "Python reads the layout of results"),
        (lambda net, y: y._version, "Python reads the layout of results (_version.__get__)"),
        (lambda net, y: net.seen.copy_(y[0]), "copy_ writes into inputs, buffers"),
        (lambda net, y: torch.add(y[0], 1, out=net.seen), "add writes into inputs, buffers"),
        (lambda net, y: torch.rand_like(y), "rand_like draws random numbers"),
        (lambda net, y: y.clone().unsqueeze_(0), "unsqueeze_ changes the form"),
        (lambda net, y: y.set_(y.clone()), "a tensor gets other memory unseen"),
        (lambda net, y: setattr(y, "data", y + 1), "data.__set__ gives a tensor other memory"),
        (lambda net, y: y.shape[0] + y.dim() + len(y) + y.numel(), ""),
        (lambda net, y: y.dtype == torch.float32 and y.device.type == "cpu", ""),
        (lambda net, y: y.is_nested or torch.result_type(y, y), ""),
        (lambda net, y: net.weight.sum().item() if False else net.seen.tolist(), ""),
    ],
)
def test_what_cannot_be_skipped_is_a_limit(look, reason):
    def forward(net, x):
        y = x.sin() @ net.weight
        look(net, y)
        return y.relu().cos()

    names, script = read_script(forward)
    if not reason:
        assert script.limit > len(names)
        return
    assert script.reason.startswith(reason)
    assert names.index("/matmul") <= script.limit <= names.index("/relu")


def test_the_first_limit_counts():
    script = Script()
    script.forbid(7, "second")
    script.forbid(3, "first")
    script.forbid(5, "third")
    assert (script.limit, script.reason) == (3, "first")


def test_python_that_looks_at_the_input_needs_it():
    _, script = read_script(lambda net, x: x.sin() if x.is_contiguous() else x)
    assert script.input_use > 10**9
    assert not script.reason


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions")
def test_digests_of_quantised_values():
    values = torch.arange(40, dtype=torch.float32)
    first, second = (torch.quantize_per_tensor(values + i, 0.5, 0, torch.qint8) for i in (0, 1))
    assert digest_tensors([first]) == digest_tensors([first.clone()])
    assert digest_tensors([first]) != digest_tensors([second])


def test_digests_follow_every_bit():
    values = torch.arange(20_000, dtype=torch.float32)
    digest = digest_tensors([values])
    assert digest == digest_tensors([values.clone()])
    assert digest != digest_tensors([values.reshape(2, -1)])
    assert digest != digest_tensors([values.int()])
    for place in (0, 9_999, 19_999):
        changed = values.clone()
        changed.view(torch.int32)[place] ^= 1
        assert digest != digest_tensors([changed])
    swapped = values.clone()
    swapped[:2] = values[:2].flip(0)
    assert digest != digest_tensors([swapped])
    for special in (torch.zeros(0), torch.ones(3, dtype=torch.bool), torch.ones(3).bfloat16()):
        assert digest_tensors([special]) == digest_tensors([special.clone()])
    assert digest_tensors([values[1:]]) == digest_tensors([values[1:].clone()])
    transposed = values.reshape(100, 200).T
    assert digest_tensors([transposed]) == digest_tensors([transposed.contiguous()])
