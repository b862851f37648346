"""Activations on disk: a zarr store that survives any interruption and says how it was made."""

import json
import shutil
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import xarray as xr

from neurolens.errors import DataError
from neurolens.extract.stream.passes import BatchDeviation, describe_notes
from neurolens.extract.stream.plan import Output, Plan, find_numpy_dtype
from neurolens.extract.stream.provenance import compare_provenance
from neurolens.extract.stream.provenance import describe_provenance as describe_provenance
from neurolens.labels import OP, STIMULUS, list_names

FORMAT = "neurolens-activations-1"
KEPT_UNIT = "kept_unit"
CHECKS = {"n_nonfinite": "int32", "n_overflowed": "int32", "ran": "bool"}
Checks = dict[str, dict[str, np.ndarray]]


class Writer:
    """Where results go; this one keeps nothing."""

    def is_done(self, group: int, number: int) -> bool:
        """Return whether a batch is complete already."""
        return False

    def write(self, slot: Output, rows: slice, values: np.ndarray) -> None:
        """Take a result's values for some rows."""

    def close_batch(
        self, group: int, number: int, rows: range, note: BatchDeviation, checks: Checks
    ) -> None:
        """Take what was counted of a batch that is complete, by check and slot."""


class ActivationStore(Writer):
    """A store being written: batch by batch, each either done or as if it had not been begun.

    Laid out as ``ops/<op>/activation`` (stimulus, ...) in chunks of one batch, with the coordinate
    ``stimulus`` beside the ops; ``checks/`` holds per op and stimulus how many values are not
    finite, how many a cast made infinite, and whether the op ran; ``checks/done`` which batches are
    complete.

    Parameters
    ----------
    path : Path
    plan : Plan
    groups : sequence of sequences of Output
        The plan's slots by run over the set.
    token : str
        Of the run that a worker belongs to; given by `hold`.
    """

    def __init__(
        self, path: Path, plan: Plan, groups: Sequence[Sequence[Output]], token: str = ""
    ) -> None:
        self.path = path
        self.plan = plan
        self.groups = groups
        self.token = token
        self._row = {slot.name: i for i, slot in enumerate(plan.slots)}
        self._places = place_ops(self._row)
        self._rows = [[self._row[slot.name] for slot in group] for group in groups]
        self._root: Any = None
        self._arrays: dict[str, Any] = {}

    @contextmanager
    def hold(self, provenance: dict[str, Any]) -> Iterator["ActivationStore"]:
        """Keep other processes out of the store, which is made, or opened if it was made in the same way.

        Raises
        ------
        DataError
            When another process holds it, it was made differently, or the path holds something
            else.
        """
        lock = filelock.FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DataError(
                f"{str(self.path)!r} is being written by another process. Wait for it, or give "
                f"another store=."
            ) from None
        except OSError as error:
            raise DataError(
                f"{str(self.path)!r} cannot be written: {error}. Give a path you may write to."
            ) from error
        self.token = uuid.uuid4().hex
        pass_mark = Path(f"{self.path}.run")
        try:
            with explain_disk_errors(self):
                pass_mark.write_text(self.token)
                if self.path.exists():
                    self._check(provenance)
                if not self.path.exists():
                    self._create(provenance)
                for left in self.path.rglob("*.partial"):
                    if left.is_file():
                        left.unlink()
                self.open()
            yield self
        except KeyboardInterrupt as error:
            error.add_note(
                f"What is done is safe in {str(self.path)!r}; the same call goes on from there."
            )
            raise
        finally:
            pass_mark.unlink(missing_ok=True)
            lock.release()

    def open(self) -> "ActivationStore":
        """Open a store that was made; for workers, whose client holds it."""
        import zarr

        self._root = zarr.open_group(self.path, mode="r+", use_consolidated=False)
        return self

    def _check(self, provenance: dict[str, Any]) -> None:
        """Raise unless the store was made in the same way; remove one whose making was cut off."""
        try:
            attrs = json.loads((self.path / "zarr.json").read_text()).get("attributes", {})
        except (OSError, ValueError):
            attrs = {}
        unmade = not any(
            p.is_file() and not p.name.endswith(".partial") for p in self.path.rglob("*")
        )
        if attrs.get("format") != FORMAT and not unmade:
            raise DataError(
                f"{str(self.path)!r} exists and is not a NeuroLens store. Give another store=."
            )
        made = attrs.get("provenance")
        if made is None:
            self._remove()
            return
        try:
            compare_provenance(provenance, made)
        except DataError as error:
            raise DataError(
                f"the store {str(self.path)!r} was made with something else: {error}. Give another "
                f"store=, or remove "
                "this one; to read it as it is, use open_activations."
            ) from None

    def _remove(self) -> None:
        # What is in the way of a store goes first: while it is there, the root says whose it is.
        for folder in [entry for entry in self.path.iterdir() if entry.is_dir()]:
            shutil.rmtree(folder)
        shutil.rmtree(self.path)

    def _create(self, provenance: dict[str, Any]) -> None:
        import zarr

        plan = self.plan
        ids = self.plan.stimuli.ids
        names = list(self._row)
        root = zarr.create_group(self.path, attributes={"format": FORMAT})
        base = root.create_group("ops")
        _write_strings(base, STIMULUS, ids)
        for slot, place, dims, attrs in describe_nodes(plan):
            group = base.create_group(place)
            dtype = find_numpy_dtype(slot.kept.dtype)
            shape = (len(ids), *slot.kept.shape)
            _create_array(
                group, "activation", dtype, shape, dims, (plan.batch_size, *shape[1:]), attrs
            )
            for key, value in slot.arrays.items():
                _create_array(group, key, value.dtype, value.shape, (KEPT_UNIT,))[:] = value
        checks = root.create_group("checks")
        _write_strings(checks, OP, names)
        _write_strings(checks, STIMULUS, ids)
        n_ops = len(names)
        n_batches = len(plan.batches)
        for key, kind in CHECKS.items():
            _create_array(
                checks,
                key,
                np.dtype(kind),
                (n_ops, len(ids)),
                (OP, STIMULUS),
                (n_ops, plan.batch_size),
            )
        _create_array(checks, "done", np.dtype(bool), (n_ops, n_batches), (OP, "batch"), (n_ops, 1))
        _create_array(checks, "note", str, (n_batches,), ("batch",), (1,))
        root.attrs["provenance"] = provenance

    def _check_run(self) -> None:
        """Raise when the run that this belongs to has ended: another may be writing."""
        mark = Path(f"{self.path}.run")
        if not mark.exists() or mark.read_text() != self.token:
            raise DataError(
                f"the run that filled {str(self.path)!r} has ended; nothing more is written for it"
            )

    def is_done(self, group: int, number: int) -> bool:
        """Return whether a batch is complete."""
        return bool(self._root["checks/done"][:, number][self._rows[group]].all())

    def write(self, slot: Output, rows: slice, values: np.ndarray) -> None:
        """Write a result's values for some rows."""
        array = self._arrays.get(slot.name)
        if array is None:
            array = self._arrays[slot.name] = self._root[
                f"ops/{self._places[slot.name]}/activation"
            ]
        with explain_disk_errors(self):
            self._check_run()
            array[rows] = values

    def close_batch(
        self, group: int, number: int, rows: range, note: BatchDeviation, checks: Checks
    ) -> None:
        """Write what was counted of a batch, by check and slot, and then that it is done."""
        with explain_disk_errors(self):
            self._check_run()
            place = [self._row[name] for name in checks["ran"]], slice(rows.start, rows.stop)
            for key, found in checks.items():
                self._root[f"checks/{key}"].oindex[place] = np.stack(list(found.values()))
            text = (
                json.dumps([note.changed, *note.unlisted]) if note.changed or note.unlisted else ""
            )
            self._root["checks/note"][number] = text
            self._root["checks/done"].oindex[self._rows[group], number] = True

    def finish(self) -> None:
        """Write the summary of a complete store, and its metadata in one place for reading."""
        import zarr

        with explain_disk_errors(self):
            done = self._root["checks/done"][:].all(0)
            if not done.all():
                raise DataError(
                    f"only {int(done.sum())} of {len(done)} batches are done; run the same call "
                    f"again"
                )
            checks = {key: self._root[f"checks/{key}"][:] for key in CHECKS}
            notes = {}
            for number, rows in enumerate(self.plan.batches):
                text = str(self._root["checks/note"][number])
                if text:
                    changed, *unlisted = json.loads(text)
                    notes[rows.start] = BatchDeviation(changed, tuple(unlisted))
            for name, ran in zip(self._row, checks["ran"], strict=True):
                group = self._root[f"ops/{self._places[name]}"]
                if not ran.all():
                    array = group.get("ran") or _create_array(
                        group, "ran", ran.dtype, ran.shape, (STIMULUS,)
                    )
                    array[:] = ran
            self._root["ops"].attrs.update(
                describe_result(self.plan, notes, checks) | {"complete": True}
            )
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
        As `extract_activations` returns it. ``.load()`` reads all of it; ``.attrs["provenance"]``
        says how it was made.

    Raises
    ------
    DataError
        When there is no such store, or it is not complete.
    """
    import zarr

    path = Path(path)
    try:
        attrs = json.loads((path / "zarr.json").read_text())["attributes"]
        if attrs["format"] != FORMAT:
            raise KeyError(attrs["format"])
    except FileNotFoundError:
        raise DataError(
            f"no store {str(path)!r}; make one with extract_activations(..., store=path)"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{str(path)!r} is damaged or not a NeuroLens store: {error}") from error
    root: Any = zarr.open_group(path, mode="r")
    if not root["ops"].attrs.get("complete"):
        done = (
            np.asarray(root["checks/done"][:]).all(0)
            if "checks/done" in root
            else np.zeros(1, bool)
        )
        raise DataError(
            f"{str(path)!r} is not complete: {int(done.sum())} of {done.size} batches are done. "
            f"Run the same "
            "extract_activations call again: it goes on from there."
        )
    try:
        found = xr.open_datatree(path, engine="zarr", group="ops", consolidated=True)
    except ValueError as error:
        message = f"{str(path)!r} was not finished ({error}). Run the same extract_activations call again."
        raise DataError(message) from error
    # zarr lists groups by name; ops stand in the order in which they ran.
    names = [str(name) for name in root["checks/op"][:]]
    held = {node.path[1:]: node.to_dataset(inherit=False) for node in found.subtree}
    nodes = {place: held[place] for place in place_ops(names).values()}
    tree = xr.DataTree.from_dict({"/": found.to_dataset(), **nodes}, name="activations")
    tree.attrs["provenance"] = attrs["provenance"]
    return tree


def describe_result(
    plan: Plan, notes: Mapping[int, BatchDeviation], checks: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the attributes of a result, from notes by first row and checks (op, stimulus).

    Warn of bad values, too.
    """
    names = [slot.name for slot in plan.slots]
    told = {
        "model": plan.layouts.graph.modules[""],
        "stimulus_hash": plan.stimuli.hash_content(),
        "skipped_ops": [f"{name}: {reason}" for name, reason in plan.layouts.skipped.items()],
        "batch_size": plan.batch_size,
        **describe_notes(plan.stimuli.ids, notes, dict(zip(names, checks["ran"], strict=True))),
    }
    if plan.layouts.drawn:
        told["random_numbers_from"] = list(plan.layouts.drawn)
    for key, counts, what in (
        ("ops_not_finite", checks["n_nonfinite"], "hold NaN or infinite values"),
        (
            "ops_overflowed",
            checks["n_overflowed"],
            "hold finite values that a narrower dtype made infinite",
        ),
    ):
        found = [f"{name}: {n}" for name, n in zip(names, counts.sum(1), strict=True) if n]
        if found:
            told[key] = found
            text = f"{len(found)} ops {what} (kept as they are): {list_names(found)}; see .attrs['{key}']"
            warnings.warn(text, RuntimeWarning, stacklevel=4)
    return told


def place_ops(names: Iterable[str]) -> dict[str, str]:
    """Return each result's path in the tree: its label.

    Without the slash that begins an op of the model itself.
    """
    places = {name: name.removeprefix("/") for name in names}
    # The coordinate of that name stands beside the ops.
    return {n: f"module_{p}" if p.split("/")[0] == STIMULUS else p for n, p in places.items()}


def describe_nodes(plan: Plan) -> Iterator[tuple[Output, str, tuple[str, ...], dict[str, Any]]]:
    """Yield each result with its path in the tree, its dimensions and its attributes."""
    places = place_ops([slot.name for slot in plan.slots])
    # Where an op of the model itself has a module's branch as its node, xarray wants one size per
    # dimension.
    tops = {name.split("/")[0] for name in places}
    for slot in plan.slots:
        clashes = slot.name.startswith("/") and slot.name[1:] in tops
        dims = [f"model_{d}" if clashes else d for d in slot.kept.dims]
        attrs = {"op": slot.name, "repeatable": int(slot.layout.repeatable), **slot.notes}
        yield slot, places[slot.name], (STIMULUS, *dims), attrs


@contextmanager
def explain_disk_errors(store: ActivationStore) -> Iterator[None]:
    """Turn an error of the file system into one that says what is safe and how to go on."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{str(store.path)!r} could not be written: {error}. Batches that are done are safe; "
            f"make room or mend the "
            "path, and run the same call again: it goes on from there."
        ) from error


def _create_array(
    group: Any,
    name: str,
    dtype: Any,
    shape: tuple,
    dims: tuple,
    chunks: tuple | None = None,
    attrs: dict | None = None,
) -> Any:
    """Make an array that stores every chunk, uncompressed.

    All of it is one chunk unless ``chunks`` says otherwise.
    """
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(1, min(c, s)) for c, s in zip(chunks or shape, shape, strict=True)),
        dimension_names=dims,
        compressors=None,
        attributes=attrs or {},
        config={"write_empty_chunks": True},
    )


def _write_strings(group: Any, name: str, values: Sequence[str]) -> None:
    _create_array(group, name, str, (len(values),), (name,))[:] = np.array(values, dtype=object)
