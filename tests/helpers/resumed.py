"""Grams in one pass, in many that start where the last one ended, and in many whole ones."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from small_grams import small_chunks
from torch import nn
from torch.nn import functional

import neurolens as nl
from neurolens.extract.stream.grams.plan import plan_grams
from neurolens.extract.stream.grams.slices import (
    count_gram_bytes,
    count_slice_bytes,
    count_workspace_bytes,
)
from neurolens.extract.stream.plan import RunSettings, open_plan
from neurolens.extract.stream.resume import runs

CHUNK = 640
# Attributes that tell how a run went, which differs between machines that give the same values.
TOLD = frozenset(
    (
        "forward_passes",
        "resumed_passes",
        "resume_cuts",
        "resume_bytes",
        "spilled_bytes",
        "recompute_reason",
    )
)


@contextmanager
def whole_passes():
    """Let every pass start at the input."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "find_obstacle", lambda plan: "not tried")
        yield


def choose_budget(net, stimuli, share, batch_size, chunk=CHUNK, **settings):
    """Return a budget that holds a share of the activations beside the Grams and a batch."""
    with open_plan(net, stimuli, RunSettings(batch_size=batch_size, **settings)) as plan:
        gram_plan = plan_grams(plan)
        (slices,) = plan_grams(replace_budget(plan, 2**40)).split_passes()
        n = len(stimuli)
        activations = sum(count_slice_bytes(part, n) for part in slices)
        grams = count_gram_bytes(len(gram_plan.own), n)
        kept = gram_plan.overhead + grams + count_workspace_bytes(n, 2**40)
        # Chunks take an eighth of the budget at most.
        return max(int(kept + share * activations + 8 * n), 8 * chunk)


def replace_budget(plan, budget):
    """Return a plan with another budget."""
    from dataclasses import replace

    return replace(plan, budget=budget)


def extract_in_passes(net, stimuli, share, batch_size=4, chunk=CHUNK, **settings):
    """Return Grams in one pass, in many, and in many whole ones, all with chunks of these bytes."""
    with small_chunks(chunk):
        memory = choose_budget(net, stimuli, share, batch_size, chunk, **settings)
        common = {"batch_size": batch_size, "quiet": True, **settings}
        one = nl.extract_grams(net, stimuli, memory="1GiB", **common)
        many = nl.extract_grams(net, stimuli, memory=memory, **common)
        with whole_passes():
            whole = nl.extract_grams(net, stimuli, memory=memory, **common)
    assert many.n_passes == whole.n_passes > one.n_passes
    return one, many, whole


def leave_out_told(result):
    """Return a result without what it tells of the passes that it took."""
    left = result.copy()
    left.attrs = {name: value for name, value in result.attrs.items() if name not in TOLD}
    return left


def assert_same_grams(first, second):
    """Check that two sets of Grams are equal bit for bit."""
    assert list(first.op.values) == list(second.op.values)
    np.testing.assert_array_equal(first.gram, second.gram)
    np.testing.assert_array_equal(first.row_sum, second.row_sum)


class Blocks(nn.Module):
    """Three convolutions, with something to be done between the second and the third."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.third = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("count", torch.zeros(()))

    def between(self, x):
        """Return what goes into the third convolution."""
        return x

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        x = self.between(x)
        return torch.relu(self.second(torch.relu(self.third(x))))


class Residual(Blocks):
    """An in-place sum and an in-place ReLU, as in ResNets."""

    def between(self, x):
        y = self.norm(self.third(x))
        y += x
        return functional.relu_(y)


class Branches(Blocks):
    """Branches that are joined."""

    def between(self, x):
        return torch.cat([self.second(x)[:, :2], self.third(x)[:, 2:]], 1)


class LongSkips(Blocks):
    """A U-Net: what comes first is used last."""

    def forward(self, x):
        skip = torch.relu_(self.first(x))
        x = functional.max_pool2d(skip, 2)
        x = torch.relu(self.third(torch.relu(self.second(x))))
        x = functional.interpolate(x, scale_factor=2.0)
        return torch.relu(self.second(x + skip))


class Dense(Blocks):
    """Each layer takes all before it, as in DenseNets."""

    def forward(self, x):
        features = [self.first(x)]
        for _ in range(4):
            features.append(torch.relu(self.third(torch.cat(features, 1)[:, -4:])))
        return torch.cat(features, 1)


class Recurrent(Blocks):
    """A loop that takes the input in every step."""

    def forward(self, x):
        state = self.first(x)
        for _ in range(4):
            state = torch.relu(self.second(state) + self.first(x))
        return state


class Chunks(Blocks):
    """Views of one memory, of which one is written into."""

    def between(self, x):
        left, right = x.chunk(2, 1)
        y = self.third(torch.cat([right, left], 1))
        left.add_(1)
        y[:, :1] = 0
        y[:, 1:] += x[:, :3]
        return y


class Several(Blocks):
    """Ops with two results."""

    def between(self, x):
        values, places = x.max(1, keepdim=True)
        return self.third(x * values) + places


class Held(Blocks):
    """A result that the model keeps in an attribute and uses later."""

    def forward(self, x):
        self.held = self.second(torch.relu(self.first(x)))
        x = torch.relu(self.third(self.held))
        return self.second(torch.relu(self.third(x))) + self.held


class Attention(nn.Module):
    """Tokens and attention."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)

    def forward(self, x):
        return self.layers(x.flatten(1, 2))


class Peeping(Blocks):
    """Python reads a value of the input."""

    def forward(self, x):
        assert x.is_contiguous()
        return super().forward(x)


class Steered(Blocks):
    """Python reads a value."""

    def between(self, x):
        return self.third(x) if x.mean() > -100 else x


class Noisy(Blocks):
    """Noise for each stimulus."""

    def between(self, x):
        return x + torch.randn_like(x)


class Dropped(Blocks):
    """Dropout that is always on."""

    def between(self, x):
        return functional.dropout(x, 0.5, True)


class Normed(Blocks):
    """Batch norm whose statistics are always those of the batch."""

    def between(self, x):
        norm = self.norm
        return functional.batch_norm(x, norm.running_mean, norm.running_var, training=True)


class Counting(Blocks):
    """A buffer that is written to."""

    def between(self, x):
        self.count += 1
        return x * self.count


class Overwriting(Blocks):
    """The input is written to."""

    def forward(self, x):
        x -= 1
        return super().forward(x)


class Strided(Blocks):
    """Python asks for strides."""

    def between(self, x):
        return self.third(x) if x.stride(0) == 0 else x * 2


class Pointing(Blocks):
    """Python compares addresses."""

    def between(self, x):
        return self.third(x) if x.relu_().data_ptr() != x.data_ptr() else x * 2


class Unseen(Blocks):
    """Values go through numpy."""

    def between(self, x):
        return torch.from_numpy(x.detach().numpy() * 2)


class Mapped(Blocks):
    """A part runs inside vmap."""

    def between(self, x):
        return torch.vmap(lambda one: one * 2)(x)


class Reformed(Blocks):
    """A tensor object changes its form."""

    def between(self, x):
        x.unsqueeze_(1)
        return x[:, 0]


class Rehoused(Blocks):
    """A tensor object gets other memory."""

    def between(self, x):
        x.data = self.third(x)
        return x


class Subclassed(Blocks):
    """Tensors of a class of their own."""

    def between(self, x):
        return x.as_subclass(_OwnTensor)


class _OwnTensor(torch.Tensor):
    pass


# None of which anything is to be recomputed.
WHOLLY_RESUMED = [
    Residual,
    Branches,
    LongSkips,
    Dense,
    Recurrent,
    Chunks,
    Several,
    Held,
]
# From where on passes cannot start, and why.
LIMITED = [
    (Steered, "Python reads values (__bool__)"),
    (Noisy, "randn_like draws random numbers"),
    (Dropped, "dropout draws random numbers"),
    (Normed, "batch_norm writes into inputs, buffers or other tensors of the model's own"),
    (Counting, "add_ writes into inputs, buffers or other tensors of the model's own"),
    (Overwriting, "sub_ writes into inputs, buffers or other tensors of the model's own"),
    (Strided, "Python reads the layout of results (stride)"),
    (Pointing, "Python reads values (data_ptr)"),
    (Unseen, "parts of the model run unseen: argument 0 of third/conv2d"),
    (Mapped, "parts of the model run unseen: argument 0 of third/conv2d"),
    (Reformed, "unsqueeze_ changes the form of a tensor"),
    (Rehoused, "data.__set__ gives a tensor other memory"),
    (Subclassed, "another object for a result is made unseen"),
]
