"""Runs over a whole stimulus set: real dimensions, the stimulus axis found and not assumed.

Grams are computed within a budget.
"""

import numpy as np
import pytest
import torch
import torchvision
from nets import Chain, Raises, Windows, make_net
from oracles import multiply_rows_slowly
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError, UnknownNameError
from neurolens.extract.stream.plan import RunSettings, make_plan


@pytest.fixture
def images(rng):
    return nl.load_stimuli(
        rng.standard_normal((7, 3, 32, 32)).astype(np.float32), ids=list("abcdefg")
    )


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


def test_activations_are_labelled_and_equal_a_plain_forward(resnet, images):
    acts = nl.extract_activations(
        resnet, images, ops=["conv1", "layer1.0/add", "fc"], batch_size=3, quiet=True
    )
    assert list(acts.stimulus.values) == list("abcdefg")
    assert acts["conv1/conv2d"]["activation"].dims == ("stimulus", "channel", "y", "x")
    assert acts["layer1.0/add"]["activation"].sizes == {
        "stimulus": 7,
        "channel": 64,
        "y": 8,
        "x": 8,
    }
    assert acts["fc/linear"]["activation"].dims == ("stimulus", "feature")
    resnet.eval()
    with torch.no_grad():
        expected = resnet(torch.stack([images[i] for i in images.ids]))
    np.testing.assert_allclose(acts["fc/linear"]["activation"], expected, rtol=1e-4, atol=1e-5)
    assert acts["fc/linear"]["activation"].attrs["op"] == "fc/linear"


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_batch_size_does_not_change_activations(resnet, images, batch_size):
    whole = nl.extract_activations(resnet, images, ops="layer4.1", batch_size=7, quiet=True)
    parts = nl.extract_activations(
        resnet, images, ops="layer4.1", batch_size=batch_size, quiet=True
    )
    name = "layer4.1.relu/relu@2/activation"
    np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4, atol=1e-5)


def test_the_models_mode_is_put_back_even_after_an_error(resnet, images):
    resnet.train()
    resnet.layer1.eval()
    nl.extract_activations(resnet, images, ops="fc", quiet=True)
    assert resnet.training
    assert not resnet.layer1.training
    net = Raises().train()
    with pytest.raises(RecordingError, match="while recording op 'inner/linear'"):
        nl.extract_activations(net, nl.load_stimuli(np.ones((3, 4), np.float32)), quiet=True)
    assert net.training


def test_axes_keep_their_names_when_they_change_places(rng):
    class Moves(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            last = torch.nn.functional.layer_norm(self.conv(x).permute(0, 2, 3, 1), (4,))
            return last.transpose(1, -1).permute([1, 0, 2, 3])

    images = nl.load_stimuli(rng.standard_normal((5, 3, 6, 7)).astype(np.float32))
    net = Moves()
    acts = nl.extract_activations(net, images, quiet=True)
    dims = {
        n["activation"].attrs["op"]: n["activation"].dims[1:]
        for n in acts.subtree
        if "activation" in n
    }
    assert dims["/permute"] == dims["/layer_norm"] == ("y", "x", "channel")
    assert dims["/transpose"] == dims["/permute_2"] == ("channel", "x", "y")
    pooled = nl.extract_activations(net, images, reducer="mean", quiet=True)
    np.testing.assert_allclose(
        pooled["layer_norm/activation"], acts["layer_norm/activation"].mean(("y", "x")), atol=1e-6
    )


def test_attention_tokens_first_is_put_stimulus_first():
    net, x = make_net("attention")
    acts = nl.extract_activations(net, nl.load_stimuli(x.numpy()), quiet=True)
    for node in acts.subtree:
        if "activation" in node:
            assert node["activation"].dims[0] == "stimulus"
            assert node["activation"].shape[0] == 2
    alone = nl.trace(net, x[1:]).graph
    assert len(alone) > 10


def test_results_of_a_multi_output_op_are_separate():
    net, x = make_net("multi-output")
    acts = nl.extract_activations(net, nl.load_stimuli(x.numpy()), quiet=True)
    np.testing.assert_array_equal(acts["/split.1"]["activation"], x[:, 2:])
    assert acts["/split.1"]["activation"].attrs["op"] == "/split.1"


def test_an_op_of_the_model_beside_a_module_of_its_name():
    class Clash(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.Sequential(nn.Linear(4, 6), nn.ReLU())

        def forward(self, x):
            return self.relu(torch.relu(x))

    acts = nl.extract_activations(Clash(), nl.load_stimuli(np.ones((3, 4), np.float32)), quiet=True)
    assert acts["/relu"]["activation"].shape == (3, 4)
    assert acts["relu.1/relu"]["activation"].shape == (3, 6)


def test_a_stochastic_op_is_marked(rng):
    net, x = make_net("noisy")
    acts = nl.extract_activations(net, nl.load_stimuli(x.numpy()), quiet=True)
    assert acts["/dropout"]["activation"].attrs["random"] == 1
    assert acts.attrs["random_ops"] == ["/rand_like", "/add", "/dropout"]


def test_selection_by_predicate(resnet, images):
    acts = nl.extract_activations(resnet, images, ops=lambda op: op.function == "add", quiet=True)
    assert sum("activation" in node for node in acts.subtree) == 8


def test_unusable_requests_are_refused(resnet, images):
    with pytest.raises(UnknownNameError, match="no op or module named 'layer9'"):
        nl.extract_activations(resnet, images, ops="layer9", quiet=True)
    with pytest.raises(InputError, match="'/ones' has no result per stimulus: does not grow"):
        nl.extract_activations(
            Windows(), nl.load_stimuli(np.ones((3, 8), np.float32)), ops="/ones", quiet=True
        )
    with pytest.raises(
        InputError, match=r"stimuli must be a StimulusSet, got Tensor.*load_stimuli"
    ):
        nl.extract_activations(Chain(), torch.ones(2, 3, 6, 6), quiet=True)
    for call in (nl.extract_activations, nl.extract_grams, nl.forecast):
        with pytest.raises(
            InputError, match=r"model must be a torch.nn.Module, got builtin_function_or_method"
        ):
            call(torch.relu, images)
    with pytest.raises(InputError, match="at least 2 stimuli"):
        nl.extract_grams(Chain(), nl.load_stimuli(np.ones((1, 3, 6, 6), np.float32)), quiet=True)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_tried(resnet, images, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1024)
    with pytest.raises(InputError, match=r"need .* GiB and this machine has .*use extract_grams"):
        nl.extract_activations(resnet, images, quiet=True)


class WritesBesideAView(nn.Module):
    def forward(self, x):
        y = x * 1
        a, b = y[:, :2], y[:, 2:]
        a.add_(1)
        return b.flatten(1)


class DropsInPlace(nn.Module):
    def forward(self, x):
        return torch.nn.functional.dropout(x * 1, 0.5, True, inplace=True).flatten(1)


class SeesBits(nn.Module):
    def forward(self, x):
        return (x * 1).view(torch.int32)


@pytest.mark.parametrize("net", [WritesBesideAView, DropsInPlace, SeesBits])
def test_only_equal_values_share_a_gram(net, rng):
    stimuli = nl.load_stimuli(rng.standard_normal((5, 4, 6)).astype(np.float32))
    torch.manual_seed(0)
    grams = nl.extract_grams(net(), stimuli, precision="float64", quiet=True)
    torch.manual_seed(0)
    acts = nl.extract_activations(net(), stimuli, quiet=True)
    for op in grams.op.values:
        expected = multiply_rows_slowly(acts[op]["activation"].values)[0]
        np.testing.assert_allclose(grams.gram.sel(op=op), expected, rtol=1e-6)


def test_a_write_beside_a_slice_is_not_its_parent():
    graph = nl.trace(WritesBesideAView(), torch.ones(2, 4, 6)).graph
    assert graph.by_name["/flatten"].parent_ops == ("/getitem_2",)


def test_patterns_leave_out_ops_without_stimuli():
    acts = nl.extract_activations(
        Windows(), nl.load_stimuli(np.ones((3, 8), np.float32)), ops=["/*"], quiet=True
    )
    assert "/ones" not in [
        node["activation"].attrs["op"] for node in acts.subtree if "activation" in node
    ]


@pytest.mark.parametrize("device", ["foo", "cpu:x", 3.5, "meta", "xla"])
def test_a_device_that_cannot_be_used_is_a_sentence(device):
    stimuli = nl.load_stimuli(np.ones((3, 3, 6, 6), np.float32))
    for call in (nl.extract_activations, nl.extract_grams, nl.forecast):
        with pytest.raises(InputError, match=rf"device={device!r} .*Leave device= out"):
            call(Chain(), stimuli, device=device)


class Mixed(nn.Module):
    """Gives complex, integer and boolean results for stimuli with a positive sum.

    For other stimuli it gives a number.
    """

    def forward(self, x):
        if x.sum() > 0:
            return torch.fft.fft(x), x.long(), x > 0, x.bfloat16()
        return x - 1


def test_what_did_not_run_is_filled_by_its_kind():
    x = np.ones((4, 3), np.float32)
    x[2] = -1
    tree = nl.extract_activations(Mixed(), nl.load_stimuli(x), batch_size=1, quiet=True)
    filled = {name: tree[name]["activation"] for name in ("fft_fft", "long", "gt_2", "bfloat16")}
    assert [str(values.dtype) for values in filled.values()] == [
        "complex64",
        "int64",
        "bool",
        "float32",
    ]
    spectrum = filled["fft_fft"].values[2]
    assert np.isnan(spectrum.real).all()
    assert (spectrum.imag == 0).all()
    assert filled["long"].values.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]]
    assert filled["gt_2"].values.tolist() == [[True] * 3, [True] * 3, [False] * 3, [True] * 3]
    assert np.isnan(filled["bfloat16"].values[2]).all()
    for name in filled:
        assert tree[name]["ran"].values.tolist() == [True, True, False, True]


def test_at_a_given_batch_size_the_budget_changes_no_bit(resnet, images):
    runs = [
        nl.extract_activations(
            resnet, images, batch_size=3, memory=memory, workers=workers, quiet=True
        )
        for memory, workers in (("1MiB", None), ("4GiB", None), ("1TiB", 1))
    ]
    for other in runs[1:]:
        assert other.attrs == runs[0].attrs
        for node in runs[0].subtree:
            if "activation" in node:
                np.testing.assert_array_equal(node["activation"], other[node.path]["activation"])


def test_another_batch_size_changes_some_millionths_of_the_largest_value(resnet, images):
    one = nl.extract_activations(resnet, images, batch_size=7, quiet=True)
    assert one.attrs["batch_size"] == 7
    for batch_size in (1, 2, 3):
        other = nl.extract_activations(resnet, images, batch_size=batch_size, quiet=True)
        for node in one.subtree:
            if "activation" in node:
                ours, theirs = node["activation"].values, other[node.path]["activation"].values
                assert np.abs(ours - theirs).max() <= 5e-6 * np.abs(ours).max(), node.path


def test_the_default_batch_holds_a_quarter_of_the_budget(resnet, images):
    def find_batch_size(memory):
        found = nl.extract_activations(resnet, images, ops="fc", memory=memory, quiet=True)
        return found.attrs["batch_size"]

    plan = make_plan(resnet.eval(), images, RunSettings(memory="1GiB"))
    sizes = {n: plan.layouts.predict_live_bytes(n) for n in (32, 16, 8, 4, 2)}
    for n, smaller in ((32, 16), (16, 8), (8, 4), (4, 2)):
        assert find_batch_size(4 * sizes[n]) == n
        assert find_batch_size(4 * sizes[n] - 4) == smaller
    assert find_batch_size(4) == 2


def test_a_missing_gpu_is_a_sentence(resnet, images):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="torch sees no GPU"):
        nl.extract_grams(resnet, images, device="cuda", quiet=True)
