"""Weights in files: what is found in them, what is refused, and that nothing in them is run."""

import pytest
import small_models
import torch
import torchvision
from safetensors.torch import save_file

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError
from neurolens.models.identity import hash_state
from neurolens.models.weights import fill_weights

NAME = "torchvision/squeezenet1_1"


def build(**options):
    torch.manual_seed(3)
    return torchvision.models.squeezenet1_1(weights=None, **options)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module.model."])
def test_state_dicts_in_files(tmp_path, suffix, prefix):
    state = {prefix + name: value for name, value in build().state_dict().items()}
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        save_file(state, path)
    for given in (path, str(path)):
        loaded = nl.load_model(NAME, weights=given)
        assert loaded.identity.sha256 == hash_state(build())
        assert loaded.identity.weights == str(path)


def test_files_that_are_no_weights_of_the_model(tmp_path):
    path = tmp_path / "mine.pth"
    with pytest.raises(DataError, match="there is no file of weights at .*mine.pth"):
        nl.load_model(NAME, weights=path)
    torch.save(build(num_classes=7).state_dict(), path)
    with pytest.raises(InputError, match=r"'classifier.1.weight' has shape .*num_classes="):
        nl.load_model(NAME, weights=path)
    assert nl.load_model(NAME, weights=path, num_classes=7).identity.n_parameters > 0
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    with pytest.raises(InputError, match=r"of another model than SqueezeNet: it lacks 'features"):
        nl.load_model(NAME, weights=path)
    torch.save({"a": 1}, path)
    with pytest.raises(DataError, match="holds no state dict: 'a' are no tensors with names"):
        nl.load_model(NAME, weights=path)
    torch.save({"a": small_models.Bomb()}, path)
    with pytest.raises(DataError, match="without running code"):
        nl.load_model(NAME, weights=path)
    for content in (b"", path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as weights"):
            nl.load_model(NAME, weights=path)


def test_safetensors_of_another_model_or_cut_short(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(build(num_classes=7).state_dict(), path)
    with pytest.raises(InputError, match=r"'classifier.1.bias' has shape \(7,\), expected"):
        nl.load_model(NAME, weights=path)
    whole = path.read_bytes()
    for content in (b"", whole[:1000], whole[:-4], b"\xff" * 100, whole + b"\0"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mine.safetensors cannot be read as weights"):
            nl.load_model(NAME, weights=path)


def test_numbers_of_another_kind(tmp_path):
    state = {name: value.to(torch.int8) for name, value in build().state_dict().items()}
    torch.save(state, tmp_path / "mine.ckpt")
    with pytest.raises(InputError, match=r"as torch.int8, which torch.float32 of the model cannot"):
        nl.load_model(NAME, weights=str(tmp_path / "mine.ckpt"))


def test_several_state_dicts_in_a_file_are_told_apart_by_name(tmp_path):
    """The average over training and its last step are two models."""
    state = build().state_dict()
    average = {name: value / 2 for name, value in state.items()}
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": state, "state_dict_ema": average, "optimizer": {"lr": 1}}, path)
    with pytest.raises(
        InputError, match=r"'state_dict', 'state_dict_ema'\. Say which, e\.g\. weig"
    ):
        nl.load_model(NAME, weights=path)
    loaded = nl.load_model(NAME, weights=f"{path}::state_dict_ema")
    assert loaded.identity.weights == f"{path}::state_dict_ema"
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, average[name])
    assert nl.load_model(NAME, weights=f"{path}::state_dict").identity.sha256 == hash_state(build())
    with pytest.raises(UnknownNameError, match=r"no state dict in .* named 'ema'\. Closest"):
        nl.load_model(NAME, weights=f"{path}::ema")


def test_files_of_torch_before_it_counted_batches(tmp_path):
    """Their batch normalizations have no counter, which evaluation does not use."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    state = dict(net.state_dict())
    del state["1.num_batches_tracked"]
    torch.save(state, tmp_path / "old.pth")
    other = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    fill_weights(other, tmp_path / "old.pth")
    assert hash_state(other) == hash_state(net)
    del state["1.running_var"]
    torch.save(state, tmp_path / "old.pth")
    with pytest.raises(InputError, match="it lacks '1.running_var'. Name the model"):
        fill_weights(other, tmp_path / "old.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_precision_of_a_file_is_told(dtype, tmp_path):
    net = torch.nn.Linear(2, 2)
    path = tmp_path / "mine.pth"
    torch.save({name: value.to(dtype) for name, value in net.state_dict().items()}, path)
    other = torch.nn.Linear(2, 2)
    name = str(dtype).removeprefix("torch.")
    assert fill_weights(other, path) == f"{path} ({name} in the file, float32 in the model)"
    assert torch.equal(other.weight, net.weight.to(dtype).float())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_that_are_not_finite_in_the_model(value, tmp_path):
    state = torch.nn.Linear(2, 2).double().state_dict()
    state["weight"][0, 0] = value
    torch.save(state, tmp_path / "mine.pth")
    with pytest.raises(DataError, match="values in 'weight' that are not finite as torch.float32"):
        fill_weights(torch.nn.Linear(2, 2), tmp_path / "mine.pth")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_entries_without_values(tmp_path):
    net = torch.nn.Linear(2, 2)
    for weight in (torch.empty(2, 2, device="meta"), torch.eye(2).to_sparse()):
        torch.save({"weight": weight, "bias": torch.zeros(2)}, tmp_path / "mine.pth")
        with pytest.raises(DataError, match="'weight' without its values, or as a sparse tensor"):
            fill_weights(net, tmp_path / "mine.pth")


@pytest.mark.parametrize("content", [[1], 3, {}, {3: torch.ones(1)}, {"a": {"b": {"c": 1}}}])
def test_files_of_something_else(content, tmp_path):
    torch.save(content, tmp_path / "mine.pth")
    with pytest.raises(DataError, match="holds no state dict"):
        fill_weights(torch.nn.Linear(2, 2), tmp_path / "mine.pth")


def test_nothing_is_changed_by_a_file_that_is_refused(tmp_path):
    net = torch.nn.Linear(2, 2)
    before = hash_state(net)
    torch.save({"weight": torch.ones(2, 2), "bias": torch.ones(3)}, tmp_path / "mine.pth")
    with pytest.raises(InputError, match=r"'bias' has shape \(3,\), expected \(2,\)"):
        fill_weights(net, tmp_path / "mine.pth")
    assert hash_state(net) == before
