"""Files of encoders: what comes back, and what is refused."""

import json
import struct

import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_tree, label_features, label_responses
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import neurolens as nl
from neurolens.compare import (
    compute_encoding_weights,
    fit_encoding,
    load_encoder,
    predict_responses,
    save_encoder,
)
from neurolens.errors import DataError, InputError


def build_encoder(**coords) -> xr.Dataset:
    """Return an encoder of two features and three neuroids."""
    weight = np.arange(6.0).reshape(2, 3)
    weight[0, 0] = np.nan
    variables = {"weight": (("feature", "neuroid"), weight), "intercept": ("neuroid", [-0.0, 1, 2])}
    return xr.Dataset(variables, coords, attrs={"op": "conv1/relu", "n_stimuli": 30})


def assert_same(one, other):
    xr.testing.assert_identical(one, other)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype, name
        assert one[name].values.tobytes() == other[name].values.tobytes() or one[name].dtype == "O"


@pytest.fixture
def saved(tmp_path):
    return save_encoder(tmp_path / "encoder.safetensors", build_encoder())


def write_header(path, change):
    """Write the file at ``path`` again with another header, its numbers as they are."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


LABELS = {
    "text": np.array(["n1", "größe", ""]),
    "objects": np.array(["n1", 7, None], dtype=object),
    "unknown": np.array(["a", float("inf"), True], dtype=object),
    "whole": np.array([1, 2, 3], dtype=np.int16),
    "unsigned": np.array([1, 2, 2**63], dtype=np.uint64),
    "single": np.array([0.1, np.nan, np.inf], dtype=np.float32),
    "flags": np.array([True, False, True]),
    "days": np.array(["2020-01-01", "NaT", "1999-12-31"], dtype="datetime64[ns]"),
}


class TestWhatComesBack:
    @pytest.mark.parametrize("kind", LABELS)
    def test_labels_of_every_kind(self, kind, tmp_path):
        encoder = build_encoder(label=("neuroid", LABELS[kind]))
        assert_same(load_encoder(save_encoder(tmp_path / "a", encoder)), encoder)

    def test_every_coordinate_and_attribute(self, tmp_path):
        encoder = build_encoder(
            neuroid=["a", "b", "c"],
            feature=[3, 1],
            op="conv1/relu",
            place=(("feature", "neuroid"), np.arange(6).reshape(2, 3)),
        )
        encoder["intercept"].attrs["unit"] = "percent"
        encoder["place"].attrs["axes"] = ["x", "y"]
        encoder.attrs |= {"a": 1, "b": 0.1, "c": True, "d": None, "e": [1, "x"], "f": {"g": [2]}}
        back = load_encoder(save_encoder(str(tmp_path / "a"), encoder))
        assert_same(back, encoder)
        assert {key: type(value) for key, value in back.attrs.items()} == {
            key: type(value) for key, value in encoder.attrs.items()
        }

    @given(
        weight=arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 4))),
        name=st.text(max_size=8),
        note=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda part: st.lists(part) | st.dictionaries(st.text(), part),
            max_leaves=6,
        ),
    )
    def test_any_numbers_and_names(self, weight, name, note, tmp_path_factory):
        encoder = xr.Dataset(
            {"weight": (("feature", "neuroid"), weight), "intercept": ("neuroid", weight.sum(0))},
            {"region": ("neuroid", [name] * weight.shape[1])},
            attrs={"op": "a", "note": note},
        )
        path = tmp_path_factory.mktemp("any") / "encoder"
        assert_same(load_encoder(save_encoder(path, encoder)), encoder)

    def test_several_ops_with_their_predictions(self, rng, tmp_path):
        ops = {
            "a/relu": label_features(rng.normal(size=(30, 4))),
            "/cumsum": label_features(rng.normal(size=(30, 2, 3))),
        }
        tree = build_tree({"a/relu": ops["a/relu"], "cumsum": ops["/cumsum"]})
        tree["cumsum"]["activation"].attrs["op"] = "/cumsum"
        tree.attrs |= {"model": "Net", "random_ops": nl.labels.LabelList(["a/relu"])}
        responses = label_responses(rng.normal(size=(30, 3)), region=["V1", "V1", "IT"])
        scores = fit_encoding(tree, responses, dual=True, n_splits=0)
        encoders = compute_encoding_weights(scores, tree)
        encoders.attrs["note"] = "mine"
        back = load_encoder(save_encoder(tmp_path / "encoders.safetensors", encoders))
        xr.testing.assert_identical(back, encoders)
        assert back["cumsum"].attrs["random_ops"] == ["a/relu"]
        xr.testing.assert_identical(
            predict_responses(back, tree), predict_responses(encoders, tree)
        )

    def test_it_is_in_memory_once_loaded(self, saved):
        before = load_encoder(saved)
        save_encoder(saved, build_encoder() * 2 + build_encoder(), overwrite=True)
        assert_same(before, build_encoder())
        before["weight"][:] = 0


class TestWriting:
    def test_an_existing_file_is_kept_unless_it_may_be_replaced(self, saved):
        other = build_encoder().assign_attrs(op="other")
        with pytest.raises(DataError, match=r"exists and is not replaced\. .* overwrite=True"):
            save_encoder(saved, other)
        assert_same(load_encoder(saved), build_encoder())
        assert save_encoder(saved, other, overwrite=True) == saved
        assert_same(load_encoder(saved), other)

    def test_a_write_that_fails_leaves_the_file_before(self, saved, monkeypatch):
        def fill_disk(tensors, filename, metadata):
            filename.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("neurolens.support.tensor_files.save_file", fill_disk)
        with pytest.raises(DataError, match="the encoder could not be written to .*No space left"):
            save_encoder(saved, build_encoder(), overwrite=True)
        assert_same(load_encoder(saved), build_encoder())
        assert [p.name for p in saved.parent.iterdir()] == [saved.name]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda e: e.assign_attrs(f=print), "the attribute 'f' .* got builtin_function"),
            (lambda e: e.assign_attrs(f=[1, (2,)]), r"the attribute 'f' .* got tuple.*del encoder"),
            (lambda e: e.assign_attrs(f={1: 2}), "the attribute 'f' .* got dict"),
            (lambda e: e.assign_attrs(f=np.ones(2)), "the attribute 'f' .* got ndarray"),
            (
                lambda e: e.assign_coords(x=("neuroid", [b"a", b"b", b"c"])),
                r"'x' of an encoder .* got \|S1\. Drop it with encoder\.drop_vars\('x'\)",
            ),
            (
                lambda e: e.assign_coords(x=("neuroid", np.array([1, "a", {1}], dtype=object))),
                r"'x' of an encoder .* got set\. Make it text with \.astype\(str\)",
            ),
            (lambda e: e + 1j, "'intercept' of an encoder must be numbers|'weight' of an encoder"),
            (lambda e: e.drop_vars("weight"), r"lacks 'weight'\. Pass what compute_encoding"),
        ],
    )
    def test_what_a_file_of_plain_data_cannot_hold(self, change, message, tmp_path):
        with xr.set_options(keep_attrs=True):
            changed = change(build_encoder())
        with pytest.raises(InputError, match=message):
            save_encoder(tmp_path / "a", changed)
        assert not list(tmp_path.iterdir())

    def test_paths(self, tmp_path):
        with pytest.raises(InputError, match=r"path must be .* got Dataset\. Pass e\.g\. 'encoder"):
            save_encoder(build_encoder(), tmp_path)
        with pytest.raises(InputError, match="path must be the path of a file, got int"):
            load_encoder(3)
        with pytest.raises(DataError, match="could not be written to .*Give a path you may write"):
            save_encoder(tmp_path / "missing" / "a", build_encoder())


class TestDamage:
    def test_a_missing_file_is_told(self, tmp_path):
        with pytest.raises(DataError, match=r"no encoder file .*; write one with save_encoder\("):
            load_encoder(tmp_path / "gone")

    def test_a_truncated_file(self, saved):
        whole = saved.read_bytes()
        for length in np.linspace(0, len(whole) - 1, 30).astype(int).tolist():
            saved.write_bytes(whole[:length])
            with pytest.raises(DataError, match=r"is damaged or not a NeuroLens encoder: .+again"):
                load_encoder(saved)

    def test_a_changed_bit_of_any_number(self, saved):
        whole = bytearray(saved.read_bytes())
        (length,) = struct.unpack("<Q", whole[:8])
        for place in range(8 + length, len(whole), 7):
            changed = bytearray(whole)
            changed[place] ^= 16
            saved.write_bytes(changed)
            with pytest.raises(DataError, match="its content does not fit its checksum"):
                load_encoder(saved)

    @pytest.mark.parametrize(
        "change",
        [
            lambda meta: meta.update(content=meta["content"].replace("relu", "tanh")),
            lambda meta: meta.update(sha256="0" * 64),
            lambda meta: meta.pop("sha256"),
            lambda meta: meta.pop("content"),
        ],
    )
    def test_another_header(self, saved, change):
        write_header(saved, change)
        with pytest.raises(DataError, match="is damaged or not a NeuroLens encoder"):
            load_encoder(saved)

    def test_files_of_other_kinds(self, tmp_path):
        path = nl.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "trace")
        with pytest.raises(
            DataError, match=r"is not a NeuroLens encoder \(format 'neurolens-trace-1', not"
        ):
            load_encoder(path)
        encoder = save_encoder(tmp_path / "encoder", build_encoder())
        with pytest.raises(DataError, match="is not a NeuroLens trace"):
            nl.load_trace(encoder)
        (tmp_path / "text").write_text("weight,intercept\n")
        with pytest.raises(DataError, match="is damaged or not a NeuroLens encoder"):
            load_encoder(tmp_path / "text")
