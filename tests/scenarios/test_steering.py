"""The verdict must be unverified if something outside the graph can steer a pass.

It must not be if nothing can.
"""

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import neurolens as nl
from neurolens.errors import InputError, RecordingError

KEPT = []


class Model(nn.Module):
    """A model with a function as its forward, a parameter, and buffers.

    It can keep objects between passes where they are not found, and hold them as an attribute,
    which every pass puts back.
    """

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.linspace(-1, 1, 16).reshape(4, 4))
        self.register_buffer("stored", torch.tensor([1.0, 2.0]))
        self.held = []

    def list_kept(self):
        return KEPT

    def forward(self, x):
        return self.function(self, x)


CASES = []


def expects(verdict, reason=""):
    def enter(function):
        CASES.append(pytest.param(function, verdict, reason, id=function.__name__))
        return function

    return enter


@expects("unverified", "sizes read from values steer the pass")
def arange_over_a_selection(model, x):
    y = x[x > 0]
    return y + torch.arange(y.shape[0])


@expects("unverified", "sizes read from values steer the pass")
def branch_on_a_count(model, x):
    return x * 2 if x.nonzero().shape[0] > 3 else x * 3


@expects("unverified", "sizes read from values steer the pass")
def length_of_a_selection(model, x):
    return x * 2 if len(x[x >= 0]) > 1 else x * 3


@expects("unverified", "sizes read from values steer the pass")
def mean_by_size(model, x):
    y = (x[x > 0] * 2).exp()
    return y.sum() / y.numel()


@expects("unverified", "sizes read from values steer the pass")
def loop_over_selected_rows(model, x):
    return sum(row * 2 for row in x[x[:, 0] > 0]) + x


@expects("unverified", "took a value out of torch")
def count_of_stored_elements(model, x):
    return x * x.to_sparse()._nnz()


@expects("verified")
def sum_of_a_selection(model, x):
    return x[x > 0].sum() + F.pad(x[x > 1], (1, 1)).mean()


@expects("unverified", "depends on the other rows")
def size_of_the_input(model, x):
    return x.reshape(x.shape[0], -1, 2).sum(-1) * len(x)


@expects("verified", "no input feeds it")
def read_of_the_models_own(model, x):
    scale = (model.stored.sum() * model.weight[0, 0] + torch.arange(3).sum()).item()
    return x * scale if model.stored[0] > 0 else x


@expects("unverified", "no input feeds it")  # but its size, that of the batch, does
def read_of_a_factory_shaped_as_the_input(model, x):
    return x + torch.ones_like(x).sum().item()


@expects("unverified", "took a value out of torch")
def read_of_a_factory_that_counts(model, x):
    return x + torch.ones_like(x[x > 0]).sum().item()


@expects("unverified", "took a value out of torch")
def read_of_a_written_buffer(model, x):
    part = model.stored[:1]
    part.mul_(x.mean())
    return x * model.stored[0].item()


@expects("unverified", "took a value out of torch")
def read_of_a_buffer_written_elsewhere_too(model, x):
    first = model.stored[:1]
    model.stored[1] = x.sum()
    first.zero_()
    return x * model.stored.sum().item()


@expects("unverified", "took a value out of torch")
def read_of_what_an_output_argument_got(model, x):
    torch.add(x[0, :2], 1, out=model.stored)
    return x * model.stored[0].item()


@expects("unverified", "took a value out of torch")
def read_of_a_random_number(model, x):
    return x * F.dropout(model.weight, 0.5).sum().item()


@expects("unverified", "a generator of its own")
def a_generator_of_its_own(model, x):
    return x * torch.rand((), generator=torch.Generator().manual_seed(0))


@expects("unverified", "took a value out of torch")
def comparison_with_a_buffer(model, x):
    return x * 2 if torch.equal(model.stored, x[0, :2]) else x


@expects("unverified", "took a value out of torch")
def written_as_text(model, x):
    return x * 2 if float(f"{x[0, 0]:.2f}") > 100 else x


@expects("unverified", "took a value out of torch")
def address_handed_out(model, x):
    return x * 2 if x.data_ptr() == 0 else x


@expects("unverified", "kept from an earlier pass")
def tensor_kept_between_passes(model, x):
    model.list_kept().append(x.mean())
    return x + model.list_kept()[0]


@expects("verified")
def constant_made_once(model, x):
    if not model.list_kept():
        model.list_kept().append(torch.arange(4) * 2)
    return x + model.list_kept()[0]


@expects("unverified", "in an earlier pass only")
def number_kept_between_passes(model, x):
    if not model.list_kept():
        model.list_kept().append(x.mean().item())
    return x + model.list_kept()[0]


@expects("unverified", "plain passes on one input differ")
def counter(model, x):
    model.list_kept().append(1)
    return x * len(model.list_kept())


@expects("verified", "changed 'held', which was put back")
def counter_in_an_attribute(model, x):
    model.held.append(1)
    return x * len(model.held)


@expects("unverified", "changed 'held', which was put back")  # the mean is that of the batch
def tensor_in_an_attribute(model, x):
    model.held.append(x.mean())
    return x + model.held[0]


@expects("unverified", "the model runs other ops")
def error_caught(model, x):
    try:
        return torch.linalg.cholesky(x[:2, :2].clone().fill_diagonal_(9)) + torch.linalg.cholesky(
            x[2:, 2:]
        )
    except RuntimeError:
        return x * 2


@expects("verified")
def number_as_a_slice(model, x):
    n = (x * 0).sum().long() + 2
    return x[:n] * 2


@expects("verified")
def named_results_as_an_argument(model, x):
    return torch.cat(torch.max(x, 1))


@expects("unverified", "attention over a single key")  # which is that of the first row
def attention_over_one_key(model, x):
    key = x[None, None, :1]
    return F.scaled_dot_product_attention(x[None, None], key, key * 2)


@expects("verified")
def far_threshold(model, x):
    return (x > 500) + x + (x.long() > 900)


@expects("unverified", "took a value out of torch")
def round_trip_through_numpy(model, x):
    return torch.from_numpy(np.sin(np.asarray(x))) * 2


@expects("verified")
def copied_deeply(model, x):
    return torch.stack(list(copy.deepcopy(x * 2)))


@pytest.mark.parametrize(("function", "verdict", "reason"), CASES)
def test_the_verdict(function, verdict, reason):
    KEPT.clear()
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
    x[2:, 2:] = torch.tensor([[3.0, 1.0], [1.0, 3.0]])
    found = nl.validate(Model(function), x)
    assert found.status == verdict, found
    assert not reason or found.reasons.reason.str.contains(reason).any(), found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_model_reads_only_its_own_scales():
    torch.manual_seed(0)
    model = torchvision.models.quantization.resnet18(weights=None, quantize=True).eval()
    verdict = nl.validate(model, torch.rand(1, 3, 32, 32))
    assert verdict.status == "verified", verdict
    assert (verdict.reasons.check == "host read").any()


def test_a_loop_that_other_inputs_would_never_end_is_not_run_on_them():
    class Grows(nn.Module):
        def forward(self, x):
            while x.sum() < 5:
                assert x.min() >= 0
                x = x * 2
            return x

    assert nl.validate(Grows(), torch.ones(2)).status == "unverified"


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_refused_in_a_sentence():
    nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)])
    with pytest.raises(InputError, match="a nested tensor has none. Pass a padded tensor"):
        nl.validate(nn.ReLU(), nested)


class Nests(nn.Module):
    """Computes with a nested tensor in one layout or the other."""

    def __init__(self, layout):
        super().__init__()
        self.layout = layout

    def forward(self, x):
        parts = [row[: i % 3 + 1] for i, row in enumerate(x)]
        return (torch.nested.nested_tensor(parts, layout=self.layout) * 2).to_padded_tensor(0.0)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@pytest.mark.parametrize("level", ["function", "aten"])
def test_a_nested_tensor_within_a_model_is_refused_in_a_sentence(layout, level):
    with pytest.raises(
        RecordingError,
        match="cannot be recorded .* expected tensors of one shape, got a nested tensor.*Pad it: "
        r"torch.nested.to_padded_tensor\(x, 0.0\)",
    ):
        nl.trace(Nests(layout), torch.ones(4, 3), level=level)
    stimuli = nl.load_stimuli(np.arange(12, dtype=np.float32).reshape(4, 3))
    with pytest.raises(RecordingError, match="got a nested tensor"):
        nl.extract_activations(Nests(layout), stimuli, quiet=True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_nested_tensor_as_input_is_refused_in_a_sentence(layout):
    nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=layout)
    with pytest.raises(RecordingError, match="expected tensors of one shape, got a nested tensor"):
        nl.trace(nn.ReLU(), nested)


class Reclasses(nn.Module):
    """Makes a class of tensors anew in each pass."""

    def forward(self, x):
        class Marked(torch.Tensor):
            pass

        return (x * 2).as_subclass(Marked).sin() + 1


class Wraps(nn.Module):
    """Computes with tensors whose class holds the values itself."""

    def forward(self, x):
        class Wrapper(torch.Tensor):
            @staticmethod
            def __new__(cls, held):
                return torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype)

            def __init__(self, held):
                self.held = held

            @classmethod
            def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
                held = [one.held if isinstance(one, Wrapper) else one for one in args]
                made = func(*held, **(kwargs or {}))
                return Wrapper(made) if isinstance(made, torch.Tensor) else made

        return Wrapper(x * 2).sin().held + 1


@pytest.mark.parametrize("extract", [nl.extract_activations, nl.extract_grams])
def test_a_class_of_tensors_made_in_the_pass_is_read(extract, rng):
    x = rng.standard_normal((9, 4)).astype(np.float32)
    made = extract(Reclasses(), nl.load_stimuli(x), quiet=True)
    expected = np.sin(2 * x) + 1
    if extract is nl.extract_activations:
        np.testing.assert_allclose(made["/add"]["activation"], expected, rtol=1e-6)
    else:
        gram = made.gram.sel(op="/add").values
        np.testing.assert_allclose(gram, expected @ expected.T, rtol=1e-5)


def test_tensors_that_wrap_others_are_left_out_or_refused(rng):
    stimuli = nl.load_stimuli(rng.standard_normal((9, 4)).astype(np.float32))
    with pytest.warns(RuntimeWarning, match="something unseen"):
        tree = nl.extract_activations(Wraps(), stimuli, quiet=True)
    reason = "is a Wrapper, a tensor whose class computes its values itself"
    assert f"/sin: {reason}" in tree.attrs["skipped_ops"]
    assert "/mul" in tree.attrs["ops"]
    with pytest.raises(InputError, match=f"'/sin' has no result per stimulus: {reason}"):
        nl.extract_activations(Wraps(), stimuli, ops="/sin", quiet=True)


class AsksForShapes(nn.Module):
    """Finds a length on device "meta", as libraries do that plan before they compute."""

    def forward(self, x):
        planned = x.to("meta") @ torch.empty(4, 7, device="meta")
        planned[0] = 1
        return x * planned.shape[1] + torch.zeros_like(planned[:, :4], device="cpu")


@pytest.mark.parametrize("extract", [nl.extract_activations, nl.extract_grams])
def test_results_on_device_meta_are_named_and_left_out(extract, rng):
    x = rng.standard_normal((9, 4)).astype(np.float32)
    made = extract(AsksForShapes(), nl.load_stimuli(x), quiet=True)
    reason = "is on device 'meta', which holds shapes and no values"
    on_meta = {f"/{name}: {reason}" for name in ("to", "empty", "matmul", "setitem", "getitem")}
    assert set(made.attrs["skipped_ops"]) == on_meta
    if extract is nl.extract_activations:
        np.testing.assert_array_equal(made["/add"]["activation"], 7 * x)
    else:
        gram = made.gram.sel(op="/add").values
        np.testing.assert_allclose(gram, 49 * x @ x.T, rtol=1e-5)
    with pytest.raises(InputError, match=f"'/matmul' has no result per stimulus: {reason}"):
        extract(AsksForShapes(), nl.load_stimuli(x), ops="/matmul", quiet=True)


def test_a_model_that_asks_for_shapes_is_validated():
    assert nl.validate(AsksForShapes(), torch.randn(9, 4)).status == "verified"
