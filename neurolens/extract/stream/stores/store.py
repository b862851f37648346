"""Activations on disk: a zarr store that survives interruptions and says how it was made."""

import json
import shutil
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from neurolens.errors import DataError, InputError
from neurolens.extract.stream.passes import BatchDeviation, list_unplaced
from neurolens.extract.stream.plan import Output, Plan, find_numpy_dtype
from neurolens.extract.stream.stores.provenance import compare_provenance
from neurolens.extract.stream.stores.writer import (
    CHECKS,
    KEPT_UNIT,
    Checks,
    Writer,
    describe_nodes,
    describe_result,
    name_paths,
)
from neurolens.labels import OP, STIMULUS

FORMAT = "neurolens-activations-1"
# The place in a store of the deviations of each batch from the recorded pass.
DEVIATIONS = "checks/note"
LEFT_OUT = "left_out"


def read_store_path(store: Any) -> Path:
    """Return the absolute path given as ``store=``; raise InputError for anything else."""
    if not isinstance(store, (str, Path)) or not str(store):
        raise InputError(
            f"store must be a path, got {type(store).__name__}. Type e.g. store='acts.zarr'."
        )
    return Path(store).absolute()


class ActivationStore(Writer):
    """A store being written batch by batch, each of which is either complete or not begun.

    It is laid out as ``ops/<op>/activation`` (stimulus, ...) in chunks of one batch, with the
    coordinate ``stimulus`` beside the ops; ``checks/`` holds per op and stimulus how many values
    are not finite, how many a cast made infinite, and whether the op ran; ``checks/done`` which
    batches are complete.

    Parameters
    ----------
    path : Path
    plan : Plan
    groups : sequence of sequences of Output
        The plan's outputs by run over the set.
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
        self._row = {output.name: i for i, output in enumerate(plan.outputs)}
        self._paths = name_paths(self._row)
        self._rows_of_group = []
        for group in groups:
            self._rows_of_group.append([self._row[output.name] for output in group])
        self._root: Any = None
        self._arrays: dict[str, Any] = {}

    @contextmanager
    def hold(self, provenance: dict[str, Any]) -> Iterator["ActivationStore"]:
        """Make the store, or open one made in the same way, and lock it against other processes.

        Raises
        ------
        DataError
            When another process holds it, it was made differently, or the path holds something
            else.
        """
        lock = self._lock()
        self.token = uuid.uuid4().hex
        run_mark = Path(f"{self.path}.run")
        try:
            with explain_disk_errors(self):
                run_mark.write_text(self.token)
                if self.path.exists():
                    self._check(provenance)
                if not self.path.exists():
                    self._create(provenance)
                for partial in self.path.rglob("*.partial"):
                    if partial.is_file():
                        partial.unlink()
                self.open()
            yield self
        except KeyboardInterrupt as error:
            error.add_note(
                f"What is done is safe in {str(self.path)!r}; the same call goes on from there."
            )
            raise
        finally:
            run_mark.unlink(missing_ok=True)
            lock.release()

    def _lock(self) -> filelock.BaseFileLock:
        """Return the lock of the store, acquired."""
        lock = filelock.FileLock(f"{self.path}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DataError(
                f"{str(self.path)!r} is being written by another process. Wait for it, or give "
                "another store=."
            ) from None
        except OSError as error:
            raise DataError(
                f"{str(self.path)!r} cannot be written: {error}. Give a path you may write to."
            ) from error
        return lock

    def open(self) -> "ActivationStore":
        """Open an existing store; for workers, whose client holds its lock."""
        import zarr

        self._root = zarr.open_group(self.path, mode="r+", use_consolidated=False)
        return self

    def _check(self, provenance: dict[str, Any]) -> None:
        """Raise unless the store was made in the same way; remove one that was not fully made."""
        try:
            attrs = json.loads((self.path / "zarr.json").read_text()).get("attributes", {})
        except (OSError, ValueError):
            attrs = {}
        written = [self.path] if self.path.is_file() else self.path.rglob("*")
        is_empty = not any(p.is_file() and not p.name.endswith(".partial") for p in written)
        if attrs.get("format") != FORMAT and not is_empty:
            raise DataError(
                f"{str(self.path)!r} exists and is not a NeuroLens store. Give another store=."
            )
        before = attrs.get("provenance")
        if before is None:
            self._remove()
            return
        try:
            compare_provenance(provenance, before)
        except DataError as error:
            raise DataError(
                f"the store {str(self.path)!r} was made with something else: {error}. Give another "
                "store=, or remove this one; to read it as it is, use open_activations."
            ) from None

    def _remove(self) -> None:
        # Remains of a store are removed first: while they exist, the root says whose they are.
        for folder in [entry for entry in self.path.iterdir() if entry.is_dir()]:
            shutil.rmtree(folder)
        shutil.rmtree(self.path)

    def _create(self, provenance: dict[str, Any]) -> None:
        import zarr

        plan = self.plan
        ids = plan.stimuli.ids
        n_batches = len(plan.batches)
        root = zarr.create_group(self.path, attributes={"format": FORMAT})
        base = root.create_group("ops")
        _write_strings(base, STIMULUS, ids)
        for node in describe_nodes(plan):
            group = base.create_group(node.path)
            kept = node.output.kept
            dtype = find_numpy_dtype(kept.dtype)
            shape = (len(ids), *kept.shape)
            chunks = (plan.batch_size, *kept.shape)
            _create_array(group, "activation", dtype, shape, node.dims, chunks, node.attributes)
            for key, value in node.output.arrays.items():
                _create_array(group, key, value.dtype, value.shape, (KEPT_UNIT,))[:] = value
        checks = root.create_group("checks")
        names = list(self._row)
        n_ops = len(names)
        _write_strings(checks, OP, names)
        _write_strings(checks, STIMULUS, ids)
        for key, kind in CHECKS.items():
            shape = (n_ops, len(ids))
            chunks = (n_ops, plan.batch_size)
            _create_array(checks, key, np.dtype(kind), shape, (OP, STIMULUS), chunks)
        _create_array(checks, "done", np.dtype(bool), (n_ops, n_batches), (OP, "batch"), (n_ops, 1))
        _create_array(root, DEVIATIONS, str, (n_batches,), ("batch",), (1,))
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
        return bool(self._root["checks/done"][:, number][self._rows_of_group[group]].all())

    def write(self, output: Output, rows: slice, values: np.ndarray) -> None:
        """Write a result's values for some rows."""
        array = self._arrays.get(output.name)
        if array is None:
            array = self._root[f"ops/{self._paths[output.name]}/activation"]
            self._arrays[output.name] = array
        with explain_disk_errors(self):
            self._check_run()
            array[rows] = values

    def close_batch(
        self, group: int, number: int, rows: range, deviation: BatchDeviation, checks: Checks
    ) -> None:
        """Write the counts of a batch, by check and output, and then that it is done."""
        with explain_disk_errors(self):
            self._check_run()
            op_rows = [self._row[name] for name in checks["ran"]]
            columns = slice(rows.start, rows.stop)
            for key, by_output in checks.items():
                counts = np.stack(list(by_output.values()))  # (op, stimulus)
                self._root[f"checks/{key}"].oindex[op_rows, columns] = counts
            self._root[DEVIATIONS][number] = _pack_deviation(deviation)
            self._root["checks/done"].oindex[self._rows_of_group[group], number] = True

    def finish(self) -> None:
        """Write the summary of a complete store, and its metadata in one place for reading."""
        import zarr

        with explain_disk_errors(self):
            done = self._root["checks/done"][:].all(0)
            if not done.all():
                raise DataError(
                    f"only {int(done.sum())} of {len(done)} batches are done; run the same call "
                    "again"
                )
            checks = {key: self._root[f"checks/{key}"][:] for key in CHECKS}
            self._write_ran(checks["ran"])
            deviations = self._read_deviations()
            attributes = describe_result(self.plan, deviations, checks)
            self._leave_out(list_unplaced(deviations.values()))
            self._root["ops"].attrs.update(attributes | {"complete": True})
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Consolidated metadata")
                zarr.consolidate_metadata(self.path)

    def _leave_out(self, names: Iterable[str]) -> None:
        """Mark the nodes of results that could not be assigned to stimuli, which are not opened."""
        for name in names:
            self._root[f"ops/{self._paths[name]}"].attrs[LEFT_OUT] = True

    def _write_ran(self, ran: np.ndarray) -> None:
        """Write which stimuli ran an op beside its activations, where some did not."""
        for name, has_run in zip(self._row, ran, strict=True):
            if has_run.all():
                continue
            group = self._root[f"ops/{self._paths[name]}"]
            array = group.get("ran")
            if array is None:
                array = _create_array(group, "ran", has_run.dtype, has_run.shape, (STIMULUS,))
            array[:] = has_run

    def _read_deviations(self) -> dict[int, BatchDeviation]:
        """Return how batches deviated from the recorded pass, by first row."""
        deviations = {}
        for number, rows in enumerate(self.plan.batches):
            text = str(self._root[DEVIATIONS][number])
            if text:
                deviations[rows.start] = _unpack_deviation(text)
        return deviations


def _pack_deviation(deviation: BatchDeviation) -> str:
    return "" if deviation == BatchDeviation() else json.dumps(asdict(deviation))


def _unpack_deviation(text: str) -> BatchDeviation:
    fields = json.loads(text)
    return BatchDeviation(
        changed=fields["changed"],
        unlisted=tuple(fields["unlisted"]),
        unplaced=tuple((name, reason) for name, reason in fields["unplaced"]),
    )


@contextmanager
def explain_disk_errors(store: ActivationStore) -> Iterator[None]:
    """Turn an error of the file system into one that says what is safe and how to continue."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{str(store.path)!r} could not be written: {error}. Batches that are done are safe; "
            "make room or correct the path, and run the same call again: it goes on from there."
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
    """Make an array that stores every chunk, uncompressed; one chunk by default."""
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
