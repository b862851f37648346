"""Activations on disk: a zarr store that survives any interruption and says how it was made."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
import xarray as xr
import zarr
from torch import nn

from neurolens.errors import DataError
from neurolens.extract.passes import Note, describe_notes
from neurolens.extract.plan import Plan, Slot, find_numpy_dtype
from neurolens.labels import OP, STIMULUS, list_names
from neurolens.stimuli import StimulusSet

FORMAT = "neurolens-activations-1"
_CHECKS = {"n_nonfinite": "int32", "n_overflowed": "int32", "ran": "bool"}


class ActivationStore:
    """A store being written: batch by batch, each either done or as if it had not been begun.

    Laid out as ``ops/<op>/activation`` (stimulus, ...) in chunks of one batch, with the coordinate ``stimulus`` beside
    the ops; ``checks/`` holds per op and stimulus how many values are not finite, how many a cast made infinite, and
    whether the op ran; ``checks/done`` which batches are complete.

    Parameters
    ----------
    path : Path
    plan : Plan
    stimuli : StimulusSet
    n_groups : int
        Runs over the set that the plan's slots are spread over.
    """

    def __init__(self, path: Path, plan: Plan, stimuli: StimulusSet, n_groups: int) -> None:
        self.path = path
        self._plan = plan
        self._stimuli = stimuli
        self._row = {slot.name: i for i, slot in enumerate(plan.slots)}
        self._places = place_ops([slot.name for slot in plan.slots])
        self._n_groups = n_groups
        self._root: Any = None
        self._arrays: dict[str, Any] = {}

    @contextmanager
    def hold(self, provenance: dict[str, Any]) -> Iterator["ActivationStore"]:
        """Keep other processes out of the store, which is made, or opened if it was made in the same way.

        Raises
        ------
        DataError
            When another process holds it, it was made differently, or the path holds something else.
        """
        lock = filelock.FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DataError(
                f"{str(self.path)!r} is being written by another process. Wait for it, or give another store=."
            ) from None
        except OSError as error:
            raise DataError(f"{str(self.path)!r} cannot be written: {error}. Give a path you may write to.") from error
        try:
            with explain_disk_errors(self):
                if self.path.exists():
                    self._check(provenance)
                if not self.path.exists():
                    self._create(provenance)
                for left in self.path.rglob("*.partial"):
                    left.unlink()
                self.open()
            yield self
        finally:
            lock.release()

    def open(self) -> "ActivationStore":
        """Open a store that was made; for workers, whose client holds it."""
        self._root = zarr.open_group(self.path, mode="r+", use_consolidated=False)
        return self

    def _check(self, provenance: dict[str, Any]) -> None:
        """Raise unless the store was made in the same way; remove one whose making was cut off."""
        try:
            attrs = json.loads((self.path / "zarr.json").read_text()).get("attributes", {})
        except (OSError, ValueError):
            attrs = {}
        if attrs.get("format") != FORMAT:
            raise DataError(f"{str(self.path)!r} exists and is not a NeuroLens store. Give another store=.")
        made = attrs.get("provenance")
        if made is None:
            self._remove()
            return
        if made != json.loads(json.dumps(provenance)):
            different = [key for key in dict.fromkeys([*made, *provenance]) if made.get(key) != provenance.get(key)]
            told = "; ".join(f"{k} was {made.get(k)!r}, is now {provenance.get(k)!r}" for k in different)
            raise DataError(
                f"the store {str(self.path)!r} was made with something else: {told[:1000]}. Give another store=, or "
                "remove this one; to read it as it is, use open_activations."
            )

    def _remove(self) -> None:
        for entry in sorted(self.path.rglob("*"), reverse=True):
            if entry.is_dir():
                entry.rmdir()
            else:
                entry.unlink()
        self.path.rmdir()

    def _create(self, provenance: dict[str, Any]) -> None:
        plan, n = self._plan, len(self._stimuli)
        root = zarr.create_group(self.path, attributes={"format": FORMAT})
        base = root.create_group("ops")
        _write_strings(base, STIMULUS, self._stimuli.ids)
        clashing = find_clashes([slot.name for slot in plan.slots])
        for slot in plan.slots:
            group = base.create_group(self._places[slot.name])
            dims = [f"model_{d}" if slot.name in clashing else d for d in slot.kept.dims]
            _create_array(
                group, "activation", find_numpy_dtype(slot.kept.dtype), (n, *slot.kept.shape),
                (plan.batch_size, *slot.kept.shape), (STIMULUS, *dims),
                {"op": slot.name, "repeatable": int(slot.layout.repeatable), **slot.notes},
            )  # fmt: skip
            for key, value in slot.arrays.items():
                _create_array(group, key, value.dtype, value.shape, value.shape, tuple(dims))[:] = value
        checks = root.create_group("checks")
        names, batches = [slot.name for slot in plan.slots], len(plan.batches)
        _write_strings(checks, OP, names)
        _write_strings(checks, STIMULUS, self._stimuli.ids)
        for key, kind in _CHECKS.items():
            size, chunk = (len(names), n), (len(names), plan.batch_size)
            _create_array(checks, key, np.dtype(kind), size, chunk, (OP, STIMULUS))
        for key, element in (("done", np.dtype(bool)), ("note", str)):
            _create_array(checks, key, element, (self._n_groups, batches), (1, 1), ("group", "batch"))
        root.attrs["provenance"] = provenance

    def is_done(self, group: int, number: int) -> bool:
        """Return whether a batch is complete."""
        return bool(self._root["checks/done"][group, number])

    def write(self, slot: Slot, rows: slice, values: np.ndarray) -> None:
        """Write a result's values for some rows."""
        array = self._arrays.get(slot.name)
        if array is None:
            array = self._arrays[slot.name] = self._root[f"ops/{self._places[slot.name]}/activation"]
        with explain_disk_errors(self):
            array[rows] = values

    def close_batch(
        self, group: int, number: int, rows: range, note: Note, checks: dict[str, dict[str, np.ndarray]]
    ) -> None:
        """Write what was counted of a batch, by check and slot, and then that it is done."""
        with explain_disk_errors(self):
            places = [self._row[name] for name in checks["ran"]]
            for key, found in checks.items():
                array = self._root[f"checks/{key}"]
                held = array[:, rows.start : rows.stop]
                held[places] = np.stack(list(found.values()))
                array[:, rows.start : rows.stop] = held
            text = json.dumps([note.changed, *note.unlisted]) if note.changed or note.unlisted else ""
            self._root["checks/note"][group, number] = text
            self._root["checks/done"][group, number] = True

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the summary of a complete store, and its metadata in one place for reading."""
        with explain_disk_errors(self):
            checks = {key: self._root[f"checks/{key}"][:] for key in _CHECKS}
            names = list(self._row)
            notes = {}
            for number, rows in enumerate(self._plan.batches):
                texts = [t for t in self._root["checks/note"][:, number] if t]
                if texts:
                    changed, *unlisted = json.loads(texts[0])
                    notes[rows.start] = Note(changed, tuple(unlisted))
            told = describe_notes(self._stimuli.ids, notes, dict(zip(names, checks["ran"], strict=True)))
            told |= describe_counts(names, checks["n_nonfinite"], checks["n_overflowed"])
            for name, ran in zip(names, checks["ran"], strict=True):
                group = self._root[f"ops/{self._places[name]}"]
                if not ran.all() and "ran" not in group:
                    _create_array(group, "ran", np.dtype(bool), ran.shape, ran.shape, (STIMULUS,))[:] = ran
            self._root["ops"].attrs.update(facts | told | {"complete": True})
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Consolidated metadata")
                zarr.consolidate_metadata(self.path)


def open_activations(path: str | Path) -> xr.DataTree:
    """Open a store written by ``extract_activations(store=...)``: labelled, and read only where it is used.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataTree
        As `extract_activations` returns it. ``.load()`` reads all of it; ``.attrs["provenance"]`` says how it was made.

    Raises
    ------
    DataError
        When there is no such store, or it is not complete.
    """
    path = Path(path)
    try:
        attrs = json.loads((path / "zarr.json").read_text())["attributes"]
        if attrs["format"] != FORMAT:
            raise KeyError(attrs["format"])
    except FileNotFoundError:
        raise DataError(f"no store {str(path)!r}; make one with extract_activations(..., store=path)") from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{str(path)!r} is damaged or not a NeuroLens store: {error}") from error
    root: Any = zarr.open_group(path, mode="r")
    if not root["ops"].attrs.get("complete"):
        done = np.asarray(root["checks/done"][:]) if "checks/done" in root else np.zeros((1, 1), bool)
        raise DataError(
            f"{str(path)!r} is not complete: {int(done.sum())} of {done.size} batches are done. Run the same "
            "extract_activations call again: it goes on from there."
        )
    found = xr.open_datatree(path, engine="zarr", group="ops", consolidated=True)
    # zarr lists groups by name; ops stand in the order in which they ran.
    names = [str(name) for name in root["checks/op"][:]]
    held = {node.path[1:]: node.to_dataset(inherit=False) for node in found.subtree}
    nodes = {place: held[place] for place in place_ops(names).values()}
    tree = xr.DataTree.from_dict({"/": found.to_dataset(), **nodes}, name="activations")
    tree.attrs["provenance"] = attrs["provenance"]
    return tree


def describe_provenance(model: nn.Module, stimuli: StimulusSet, plan: Plan) -> dict[str, Any]:
    """Return everything a stored number follows from: two runs that agree in it give the same store."""
    graph = [(op.name, op.call, op.settings, op.parents) for op in plan.layouts.graph]
    return {
        "model": type(model).__name__,
        "weights_sha256": hash_weights(model),
        "graph_sha256": hashlib.sha256(repr(graph).encode()).hexdigest(),
        "preprocessing": stimuli.preprocessing,
        "stimuli_sha256": stimuli.hash_content(),
        "ops_sha256": hashlib.sha256("\n".join(slot.name for slot in plan.slots).encode()).hexdigest(),
        "n_ops": len(plan.slots),
        "reducer": repr(plan.reducers),
        "batch_size": plan.batch_size,
        "device": plan.device.type,
        "versions": {name: metadata.version(name) for name in ("neurolens", "torch")},
    }


def hash_weights(model: nn.Module) -> str:
    """Return the sha256 of a model's parameters and buffers with their names, as hex."""
    digest = hashlib.sha256()
    for name, tensor in sorted({**dict(model.named_parameters()), **dict(model.named_buffers())}.items()):
        value = tensor.detach().cpu()
        value = (value.dequantize() if value.is_quantized else value).contiguous().reshape(-1)
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(value.view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()


def describe_counts(names: Sequence[str], nonfinite: np.ndarray, overflowed: np.ndarray) -> dict[str, list[str]]:
    """Return what there is to tell of values that are not finite, (op, stimulus), as attributes; warn of it, too."""
    told = {}
    for key, counts, what in (
        ("ops_not_finite", nonfinite, "hold NaN or infinite values"),
        ("ops_overflowed", overflowed, "hold finite values that a narrower dtype made infinite"),
    ):
        found = [f"{name}: {n}" for name, n in zip(names, counts.sum(1), strict=True) if n]
        if found:
            told[key] = found
            text = f"{len(found)} ops {what} (kept as they are): {list_names(found)}; see .attrs['{key}']"
            warnings.warn(text, RuntimeWarning, stacklevel=4)
    return told


def place_ops(names: Sequence[str]) -> dict[str, str]:
    """Return each result's path in the tree: its label, without the slash that begins an op of the model itself."""
    return {name: name.removeprefix("/") for name in names}


def find_clashes(names: Sequence[str]) -> set[str]:
    """Return ops of the model itself whose node is a module's branch too: there xarray wants one size per dimension."""
    tops = {name.split("/")[0] for name in names}
    return {name for name in names if name.startswith("/") and name[1:] in tops}


@contextmanager
def explain_disk_errors(store: ActivationStore) -> Iterator[None]:
    """Turn an error of the file system into one that says what is safe and how to go on."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{str(store.path)!r} could not be written: {error}. Batches that are done are safe; make room or mend the "
            "path, and run the same call again: it goes on from there."
        ) from error


def _create_array(
    group: Any, name: str, dtype: Any, shape: tuple, chunks: tuple, dims: tuple, attrs: dict[str, Any] | None = None
) -> Any:
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(1, min(c, s)) for c, s in zip(chunks, shape, strict=True)),
        dimension_names=dims,
        compressors=None,
        attributes=attrs or {},
        config={"write_empty_chunks": True},
    )


def _write_strings(group: Any, name: str, values: Sequence[str]) -> None:
    array = _create_array(group, name, str, (len(values),), (len(values),), (name,))
    array[:] = np.array(values, dtype=object)
