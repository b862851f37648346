"""Tensors without memory: they have a form, and whatever wants their values is stopped."""

import copy

import pytest
import torch

from neurolens.extract.stream.resume.placeholders import Placeholder, PlaceholderRead


@pytest.fixture
def placeholder():
    return Placeholder((3, 10**6, 10**6), torch.float32, torch.device("cpu"))


def test_form_is_that_of_a_contiguous_tensor(placeholder):
    assert placeholder.shape == (3, 10**6, 10**6)
    assert placeholder.dtype == torch.float32
    assert placeholder.device.type == "cpu"
    assert len(placeholder) == 3
    assert isinstance(placeholder, torch.Tensor)
    assert not placeholder.requires_grad


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x + 1,
        lambda x: x.view(-1),
        lambda x: x.relu_(),
        lambda x: x[0, 0, 0].item(),
        lambda x: x.detach(),
        lambda x: x.data,
        torch.nn.Parameter,
        copy.deepcopy,
        lambda x: torch.ops.aten.add(x, x),
        lambda x: torch.vmap(torch.sin)(x),
        repr,
    ],
    ids=lambda read: getattr(read, "__name__", ""),
)
def test_kernels_are_stopped(read, placeholder):
    with torch.no_grad(), pytest.raises(PlaceholderRead, match="is not computed"):
        read(placeholder)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.numpy(),
        lambda x: x.tolist(),
        bool,
        float,
        lambda x: x.untyped_storage().data_ptr(),
    ],
)
def test_values_are_not_to_be_had(read, placeholder):
    with torch.no_grad(), pytest.raises((RuntimeError, TypeError, ValueError), match=r"."):
        read(placeholder)
