"""Random small networks at random budgets: the Grams are those of one pass."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from resumed import assert_same_grams, extract_in_passes
from torch import nn

import neurolens as nl

N_CHANNELS = 4


class RandomNet(nn.Module):
    """A list of steps on a stack of tensors (stimulus, channel, feature), each of which adds one.

    A step is the number of a function and of two earlier tensors, counted from the last.
    """

    def __init__(self, steps, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.steps = steps
        self.weight = nn.Parameter(torch.randn(N_CHANNELS, N_CHANNELS))
        self.functions = [
            lambda x, y: torch.einsum("oc,ncf->nof", self.weight, x),
            lambda x, y: torch.relu(x),
            lambda x, y: x.relu_(),
            lambda x, y: x + y,
            lambda x, y: x.add_(y),
            lambda x, y: torch.cat([x[:, :2], y[:, 2:]], 1),
            lambda x, y: torch.cat(x.chunk(2, 1)[::-1], 1),
            self.write_part,
            lambda x, y: x.max(1, keepdim=True)[0] * y,
            lambda x, y: x.transpose(1, 2).contiguous().transpose(1, 2),
            lambda x, y: x.reshape(len(x), -1).unflatten(1, (N_CHANNELS, -1)),
            lambda x, y: nn.functional.dropout(x, 0.5, self.training),
            lambda x, y: x.to(torch.float32),
            lambda x, y: torch.where(x > 0, x, y),
            lambda x, y: nn.functional.layer_norm(x, x.shape[-1:]),
            self.rename,
        ]

    def write_part(self, x, y):
        part = x[:, 1:3]
        part.mul_(0.5)
        x[:, 0] = y[:, 0]
        return x

    def rename(self, x, y):
        self.kept = x
        return self.kept.sin()

    def forward(self, x):
        tensors = [torch.tanh(x)]
        for function, first, second in self.steps:
            left = tensors[-1 - first % len(tensors)]
            right = tensors[-1 - second % len(tensors)]
            tensors.append(self.functions[function](left, right))
        return tensors[-1]


N_FUNCTIONS = len(RandomNet([], 0).functions)
STEPS = st.lists(
    st.tuples(st.integers(0, N_FUNCTIONS - 1), st.integers(0, 4), st.integers(0, 4)),
    min_size=4,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.floats(0.1, 0.6), st.integers(2, 5), st.integers(0, 3))
def test_grams_of_many_passes_are_those_of_one(steps, share, batch_size, seed):
    rng = np.random.default_rng(seed)
    stimuli = nl.load_stimuli(rng.standard_normal((11, N_CHANNELS, 6)).astype(np.float32))
    net = RandomNet(steps, seed)
    one, many, whole = extract_in_passes(net, stimuli, share, batch_size, chunk=256)
    assert_same_grams(one, many)
    assert_same_grams(whole, many)
    assert many.attrs["skipped_ops"] == whole.attrs["skipped_ops"]
