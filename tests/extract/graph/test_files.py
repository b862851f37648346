"""Files of traces: everything is read back, nothing is executed, incomplete files are refused."""

import json
import pickle
import shutil
import struct
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import torch
from nets import NETS, make_net
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError
from neurolens.extract.graph.files import TRACE
from neurolens.extract.validation.replay import equal_bits


class Zoo(nn.Module):
    """A model with values of many kinds: dtypes, layouts in memory, no elements, no axes."""

    def forward(self, x):
        spectrum = torch.fft.fft(x)
        kinds = [
            x.to(dtype)
            for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.bool)
        ]
        views = [x.mT, x[:, ::2], x[:0], x.sum(), x.expand(2, *x.shape), x / 0]
        turned = x[None, None].contiguous(memory_format=torch.channels_last)
        return (
            spectrum.conj(),
            spectrum.conj().imag,
            spectrum.real,
            *kinds,
            *views,
            turned,
            x.detach(),
        )


class Makes(nn.Module):
    """A model that returns what ``make`` returns; the values of some kinds cannot be stored."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


def assert_equal_traces(one, other):
    assert other.graph == one.graph
    assert other.model_name == one.model_name
    assert [op.name for op in other] == [op.name for op in one]
    for ours, theirs in zip(one, other, strict=True):
        assert ours.op == theirs.op
        assert len(ours.values) == len(theirs.values)
        assert all(map(equal_bits, ours.values, theirs.values)), ours.name


@pytest.fixture
def saved(tmp_path):
    """Return a trace, and the file it was saved to."""
    made = nl.trace(*make_net("multi-output"))
    return made, made.save(tmp_path / "trace.safetensors")


def write_header(path, change):
    """Write the file at ``path`` again with another header, its values as they are."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def write_graph(path, change):
    """Write the file at ``path`` again with another graph."""

    def change_header(header):
        graph = json.loads(header["__metadata__"]["graph"])
        change(graph)
        header["__metadata__"]["graph"] = json.dumps(graph)

    write_header(path, change_header)


@pytest.mark.parametrize("level", ["function", "aten"])
@pytest.mark.parametrize("name", NETS)
def test_a_trace_comes_back_whole(name, level, tmp_path):
    made = nl.trace(*make_net(name), level=level)
    path = made.save(str(tmp_path / "trace.safetensors"))
    back = nl.load_trace(str(path))
    assert_equal_traces(made, back)
    assert back.summary() == made.summary()
    assert back.graph.layers == made.graph.layers
    assert back.graph.layer_edges == made.graph.layer_edges
    pd.testing.assert_frame_equal(back.table(), made.table(), check_exact=True)
    again = nl.load_trace(back.save(tmp_path / "again.safetensors"))
    pd.testing.assert_frame_equal(again.table(), made.table(), check_exact=True)


def test_costs_that_a_file_lacks_are_unknown_and_not_left_out(saved):
    made, path = saved
    write_header(path, lambda header: header["__metadata__"].pop("costs"))
    table = nl.load_trace(path).table()
    assert table.columns.tolist() == made.table().columns.tolist()
    assert table[["n_parameters", "flops"]].isna().all(axis=None)
    rest = made.table().drop(columns=["n_parameters", "flops"])
    pd.testing.assert_frame_equal(
        table.drop(columns=["n_parameters", "flops"]), rest, check_exact=True
    )


def test_costs_are_those_of_the_layers(tmp_path):
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False))
    path = nl.trace(net, torch.ones(5, 4)).save(tmp_path / "trace.safetensors")
    table = nl.load_trace(path).table()
    assert table.n_parameters.tolist() == [4 * 3 + 3, 0, 3 * 2]
    assert table.flops.tolist() == [2 * 5 * 4 * 3, 0, 2 * 5 * 3 * 2]


def test_broken_costs_are_refused(saved):
    _, path = saved
    write_header(path, lambda header: header["__metadata__"].update(costs="[1"))
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(path)


def test_host_reads_come_back(tmp_path):
    class Steered(nn.Module):
        def forward(self, x):
            return x + 1 if x.sum() > 0 else x - 1

    made = nl.trace(Steered(), torch.ones(2))
    back = nl.load_trace(made.save(tmp_path / "trace.safetensors"))
    assert back.graph.host_reads == made.graph.host_reads
    assert len(back.graph.host_reads) == 1


def test_values_of_every_kind_come_back(tmp_path):
    made = nl.trace(Zoo(), torch.linspace(-2, 3, 24).reshape(4, 6))
    back = nl.load_trace(made.save(tmp_path / "trace.safetensors"))
    assert_equal_traces(made, back)
    assert (made["/real"].value != 0).any()


def test_values_with_gradients_come_back_without(tmp_path):
    net, x = make_net("chain")
    made = nl.trace(net, x, grad=True)
    back = nl.load_trace(made.save(tmp_path / "trace.safetensors"))
    assert_equal_traces(made, back)
    assert made["fc"].value.requires_grad
    assert not back["fc"].value.requires_grad
    with pytest.raises(InputError, match="holds no gradients"):
        back.gradients(back["fc"].value.sum())


def test_only_kept_values_are_in_the_file(tmp_path):
    made = nl.trace(*make_net("chain"), ops="fc")
    back = nl.load_trace(made.save(tmp_path / "trace.safetensors"))
    assert_equal_traces(made, back)
    assert back.output is None
    with pytest.raises(UnknownNameError, match="the value of 'conv/conv2d' was not kept"):
        back["conv"]


def test_a_loaded_trace_can_be_saved_again_in_its_own_place(saved):
    made, path = saved
    back = nl.load_trace(path)
    assert back.save(path) == path
    assert_equal_traces(made, back)
    assert_equal_traces(made, nl.load_trace(path))


def test_another_trace_in_its_place_leaves_a_loaded_one_as_it_was(saved):
    made, path = saved
    back = nl.load_trace(path)
    other = nl.trace(*make_net("chain"))
    other.save(path)
    assert_equal_traces(made, back)
    assert_equal_traces(other, nl.load_trace(path))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_file_before(saved, monkeypatch):
    made, path = saved

    def fill_disk(tensors, filename, metadata):
        filename.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neurolens.support.tensor_files.save_file", fill_disk)
    with pytest.raises(DataError, match="could not be written to .*No space left on device"):
        nl.trace(*make_net("chain")).save(path)
    assert_equal_traces(made, nl.load_trace(path))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("place", ["missing/trace.safetensors", "file/trace.safetensors", "folder"])
def test_a_path_that_cannot_be_written_is_told(place, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written to .*Give a path you may write to"):
        nl.trace(*make_net("reused")).save(tmp_path / place)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: x.to_sparse(), "sparse_coo"),
        (lambda x: x.to_sparse_csr(), "sparse_csr"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "qint8"),
        (lambda x: x.to(torch.complex128), "complex128"),
        (lambda x: x.to("meta"), "on meta"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support", "ignore:torch.quantize_per_tensor")
def test_a_value_that_cannot_be_stored_is_named(make, reason, tmp_path):
    made = nl.trace(Makes(make), torch.ones(2, 3))
    with pytest.raises(
        DataError, match=f"the value of '{made.graph.ops[0].name}' cannot be stored: .*{reason}"
    ):
        made.save(tmp_path / "trace.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"no trace file .*gone\.safetensors'; write one with trace\.save\(path\)"
    ):
        nl.load_trace(tmp_path / "gone.safetensors")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(tmp_path)


def test_a_truncated_file_is_refused_wherever_it_ends(saved):
    _, path = saved
    whole = path.read_bytes()
    for length in [*range(12), *np.linspace(12, len(whole) - 1, 40).astype(int).tolist()]:
        path.write_bytes(whole[:length])
        with pytest.raises(
            DataError, match=r"is damaged or not a NeuroLens trace: .+ Trace the model again"
        ):
            nl.load_trace(path)


def test_more_behind_the_end_is_refused(saved):
    _, path = saved
    path.write_bytes(path.read_bytes() + b"0000")
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(path)


def test_a_changed_byte_gives_a_trace_or_a_plain_error(saved, rng):
    _, path = saved
    whole = path.read_bytes()
    for place in rng.integers(0, len(whole), 150).tolist():
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with suppress(DataError):
            nl.load_trace(path)


@pytest.mark.parametrize(
    "content", [b"not a trace at all", b"\xff" * 64, b"PK\x03\x04" + bytes(60)]
)
def test_another_kind_of_file_is_refused(content, tmp_path):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(tmp_path / "other")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "neurolens-trace-2"}])
def test_safetensors_of_another_format_or_version_are_refused(metadata, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata=metadata)
    held = (metadata or {}).get("format")
    with pytest.raises(
        DataError, match=f"is not a NeuroLens trace .format {held!r}, not '{TRACE.format}'"
    ):
        nl.load_trace(path)


class Bomb:
    """An object that leaves a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize(
    "write", [torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))]
)
def test_a_pickle_is_refused_and_does_not_run(write, tmp_path):
    mark, path = tmp_path / "mark", tmp_path / "trace.safetensors"
    write(Bomb(mark), path)
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark))).close()
    assert mark.exists()


def test_the_file_is_plain_safetensors_with_json(saved):
    made, path = saved
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["graph"])["ops"][0]["name"] == made.graph.ops[0].name
        assert set(file.keys()) == {f"{op.name}#{k}" for op in made for k in range(len(op.values))}


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["ops"][0].pop("site"),
        lambda graph: graph["ops"][0].update(code="print()"),
        lambda graph: graph["ops"].append("print()"),
        lambda graph: graph.pop("inputs"),
        lambda graph: graph["ops"][0]["outputs"].append(graph["ops"][0]["outputs"][0]),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(change, saved):
    _, path = saved
    write_graph(path, change)
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace"):
        nl.load_trace(path)


def test_a_header_without_a_graph_is_refused(saved):
    _, path = saved
    write_header(path, lambda header: header["__metadata__"].pop("graph"))
    with pytest.raises(DataError, match="is damaged or not a NeuroLens trace: 'graph'"):
        nl.load_trace(path)


def test_the_file_may_be_moved_while_it_is_in_use(saved):
    made, path = saved
    back = nl.load_trace(path)
    shutil.move(path, path.with_name("moved"))
    assert_equal_traces(made, back)
    assert_equal_traces(made, nl.load_trace(path.with_name("moved")))
