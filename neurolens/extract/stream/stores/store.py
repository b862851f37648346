"""Activations on disk: a zarr store that survives interruptions and says how it was made."""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np

from neurolens.errors import DataError, InputError, warn_user
from neurolens.extract.stream.passes import BatchDeviation, list_unplaced, merge_deviations
from neurolens.extract.stream.plan import Output, Plan, Step
from neurolens.extract.stream.stores.chunks import fill_chunk, pack_values
from neurolens.extract.stream.stores.headers import (
    HEADER,
    check_local,
    is_sealed,
    read_header,
    seal_store,
    write_file,
)
from neurolens.extract.stream.stores.labels import Labels
from neurolens.extract.stream.stores.making import (
    DEVIATIONS,
    DONE,
    create_array,
    create_store,
    make_files,
    pack_deviation,
    remove_partial,
    unpack_deviation,
)
from neurolens.extract.stream.stores.provenance import Parts, compare_provenance
from neurolens.extract.stream.stores.queue import WriteQueue, limit_waiting
from neurolens.extract.stream.stores.record import read_parts, read_record
from neurolens.extract.stream.stores.repair import Repair, list_flaws, list_some, read_file
from neurolens.extract.stream.stores.writer import (
    CHECKS,
    Checks,
    Writer,
    arrange_ran,
    describe_nodes,
    describe_result,
    lacks_some,
    name_paths,
)
from neurolens.support.disk import DiskWriter

LEFT_OUT = "left_out"
_TOKEN = re.compile(rb"[0-9a-f]{32}")


def read_store_path(store: Any) -> Path:
    """Return the absolute path given as ``store=``; raise InputError for anything else."""
    if not isinstance(store, (str, Path)) or not str(store):
        raise InputError(
            f"store must be a path, got {type(store).__name__}. Type e.g. store='acts.zarr'."
        )
    check_local(store)
    return Path(store).absolute()


class ActivationStore(Writer):
    """A store being written batch by batch, each of which is either complete or not begun.

    It is laid out as ``ops/<op>/activation`` (stimulus, ...) in chunks of one batch, with the
    coordinate ``stimulus`` beside the ops; ``checks/`` holds per op and stimulus how many values
    are not finite, how many a cast made infinite, and whether the op ran; ``checks/done`` which
    batches are complete. Every chunk is written and ends with its checksum, so that one that is
    missing or has changed is known as damaged. With several samples, chunks and checks are of one
    batch in one sample; an op whose samples are all the same counts as done in samples that it has
    not.

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
        self._n_samples = np.array([output.n_samples for output in plan.outputs])
        self._root: Any = None
        self._arrays: dict[str, Any] = {}
        self._folders: list[str] = []
        self._queue = WriteQueue(limit_waiting(plan.budget))
        self._disk = DiskWriter()

    def inspect(self, provenance: dict[str, Any], parts: Parts) -> list[str] | None:
        """Return what is damaged in a finished store; None where there is no finished one.

        It is read in full; nothing is written, so that this also works where nothing can be.

        Raises
        ------
        DataError
            When it was made differently, or the path holds something else.
        """
        before = read_record(self.path)
        if before is None:
            return None
        self._compare(provenance, parts, before)
        root = read_header(self.path / HEADER)
        if root is None or not is_sealed(root):
            return None
        flaws = list_flaws(self.path, root, self._label())
        if not flaws:
            self.open("r")._summarize()
        return flaws

    @contextmanager
    def hold(
        self, provenance: dict[str, Any], parts: Parts, flaws: Sequence[str] = ()
    ) -> Iterator["ActivationStore"]:
        """Make the store, or open one made in the same way, and lock it against other processes.

        What is damaged in it is taken out, so that it is not done, with a warning. ``flaws`` are
        what `inspect` found.

        Raises
        ------
        DataError
            When another process holds it, it was made differently, or the path holds something
            else.
        """
        lock = self._lock(flaws)
        self.token = uuid.uuid4().hex
        run_mark = Path(f"{self.path}.run")
        try:
            with explain_disk_errors(self):
                refuse_foreign(run_mark)
                run_mark.write_text(self.token)
                self._prepare(provenance, parts)
                self.open()
            yield self
        except KeyboardInterrupt as error:
            error.add_note(
                f"What is done is safe in {str(self.path)!r}; the same call goes on from there."
            )
            raise
        finally:
            if run_mark.exists() and run_mark.read_text() == self.token:
                run_mark.unlink()
            lock.release()

    def _lock(self, flaws: Sequence[str]) -> filelock.BaseFileLock:
        """Return the lock of the store, acquired."""
        file = Path(f"{self.path}.lock")
        refuse_foreign(file)
        lock = filelock.FileLock(file)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DataError(
                f"{str(self.path)!r} is being written by another process. Wait for it, or give "
                "another store=.",
                anchor="store-in-use",
            ) from None
        except OSError as error:
            damage = f" is damaged ({list_some(flaws)}) and" if flaws else ""
            raise DataError(
                f"{str(self.path)!r}{damage} cannot be written: {error}. Give a path you may write "
                "to.",
                anchor="cannot-write",
            ) from error
        return lock

    def open(self, mode: Any = "r+") -> "ActivationStore":
        """Open an existing store; for workers, whose client holds its lock."""
        import zarr

        self._root = zarr.open_group(self.path, mode=mode, use_consolidated=False)
        self._arrays = {}
        return self

    def _prepare(self, provenance: dict[str, Any], parts: Parts) -> None:
        """Make the store, or repair one that was made in the same way."""
        before = read_record(self.path)
        if before is not None:
            self._compare(provenance, parts, before)
        files = make_files(self.plan, provenance, parts)
        headers = [key for key in files if key.endswith(f"/{HEADER}")]
        self._folders = [key.removesuffix(f"/{HEADER}") for key in headers]
        remove_partial(self.path)
        if before is None:
            create_store(self.path, files)
            return
        flaws = Repair(self.path, files, self._label(), self.plan).run()
        if flaws:
            warn_user(
                f"{str(self.path)!r} was damaged: {list_some(flaws)}. It is repaired: what was "
                "damaged is computed again."
            )

    def _compare(self, provenance: dict[str, Any], parts: Parts, before: dict[str, Any]) -> None:
        """Raise DataError where the store was made differently."""
        try:
            compare_provenance(provenance, before, parts, read_parts(self.path))
        except DataError as error:
            raise DataError(
                f"the store {str(self.path)!r} was made with something else: {error}. Give another "
                "store=, or remove this one; to read it as it is, use open_activations.",
                anchor="store-differs",
            ) from None

    def _label(self) -> Labels:
        """Return what the places of the store mean."""
        return Labels({path: name for name, path in self._paths.items()}, self.plan.stimuli.ids)

    def _check_run(self) -> None:
        """Raise when the run that this belongs to has ended: another may be writing."""
        mark = Path(f"{self.path}.run")
        if not mark.exists() or mark.read_text() != self.token:
            raise DataError(
                f"the run that filled {str(self.path)!r} has ended; nothing more is written for it",
                anchor="store-incomplete",
            )
        if not (self.path / HEADER).exists():
            raise FileNotFoundError(HEADER)

    def is_done(self, group: int, number: int) -> bool:
        """Return whether a step is complete."""
        with explain_disk_errors(self):
            return bool(self._root[DONE][:, number][self._rows_of_group[group]].all())

    def write(self, output: Output, step: Step, values: np.ndarray, is_view: bool = False) -> None:
        """Write a result's values of a step, in the background."""
        values = values.copy() if is_view else values
        self._queue.put(values.nbytes, partial(self._write_result, output, step, values))

    def flush(self) -> None:
        """Wait until everything that was given is written."""
        self._queue.flush()

    def abandon(self) -> None:
        """Write what waits of steps that are complete, and leave the rest."""
        self._queue.abandon()

    def _write_result(self, output: Output, step: Step, values: np.ndarray) -> None:
        with explain_disk_errors(self):
            self._check_run()
            if values.size:
                self._write_chunks(output, step, values)

    def _write_chunks(self, output: Output, step: Step, values: np.ndarray) -> None:
        """Write the chunks of a result in a step as zarr would, without its copies.

        There is one, and another where a last stimulus was added to the batch before.
        """
        path = f"ops/{self._paths[output.name]}/activation"
        array = self._open_array(path)
        size = array.chunks[0]
        place = [0] * array.ndim
        if output.is_sampled:
            place[1] = step.sample
        for start in range(0, len(values), size):
            rows = values[start : start + size].astype(array.dtype, copy=False)
            place[0] = (step.rows.start + start) // size
            content = pack_values(fill_chunk(rows, array.chunks))
            file = self.path.joinpath(path, "c", *map(str, place))
            write_file(file, *content, disk=self._disk)

    def _open_array(self, path: str) -> Any:
        """Return an array that stores every chunk, also one that holds nothing but zeros."""
        array = self._arrays.get(path)
        if array is None:
            array = self._root[path].with_config({"write_empty_chunks": True})
            self._arrays[path] = array
        return array

    def close_step(self, group: int, step: Step, deviation: BatchDeviation, checks: Checks) -> None:
        """Write the counts of a step, by check and output, and then that it is done."""
        write = partial(self._write_step, group, step, deviation, dict(checks))
        self._queue.put(0, write, is_last=True)

    def _write_step(
        self, group: int, step: Step, deviation: BatchDeviation, checks: Checks
    ) -> None:
        with explain_disk_errors(self):
            self._check_run()
            op_rows = [self._row[name] for name in checks["ran"]]
            columns = slice(step.rows.start, step.rows.stop)
            samples = [step.sample] if self.plan.n_rounds > 1 else []
            for key, by_output in checks.items():
                counts = np.stack(list(by_output.values()))  # (op, stimulus)
                self._open_array(f"checks/{key}").oindex[op_rows, *samples, columns] = counts
            notes = self._open_array(DEVIATIONS)
            before = unpack_deviation(str(notes[step.number]))
            notes[step.number] = pack_deviation(merge_deviations(before, deviation))
            same = np.flatnonzero(self._n_samples <= step.sample).tolist()
            rows = sorted({*self._rows_of_group[group], *same})
            self._open_array(DONE).oindex[rows, step.number] = True

    def finish(self) -> None:
        """Write the summary of a complete store, and seal it: its header then holds all others."""
        with explain_disk_errors(self):
            done = self._root[DONE][:].all(0)
            if not done.all():
                raise DataError(
                    f"only {int(done.sum())} of {len(done)} batches are done; run the same call "
                    "again",
                    anchor="store-incomplete",
                )
            summary = self._summarize()
            self._leave_out(summary.unplaced)
            self._root["ops"].attrs.update(summary.attributes | {"complete": True})
            seal_store(self.path, [*self._folders, *self._write_ran(summary.ran)])

    def _summarize(self) -> "_Summary":
        """Return the summary of a complete store, and warn of values that are not finite."""
        shape = (len(self.plan.outputs), self.plan.n_rounds, len(self.plan.stimuli))
        checks = {key: self._root[f"checks/{key}"][:].reshape(shape) for key in CHECKS}
        deviations = self._read_deviations()
        attributes = describe_result(self.plan, deviations, checks)
        return _Summary(attributes, checks["ran"], list(list_unplaced(deviations.values())))

    def _leave_out(self, names: Iterable[str]) -> None:
        """Mark the nodes of results that could not be assigned to stimuli, which are not opened."""
        for name in names:
            self._root[f"ops/{self._paths[name]}"].attrs[LEFT_OUT] = True

    def _write_ran(self, ran: np.ndarray) -> list[str]:
        """Write which stimuli ran an op beside its activations, where some did not.

        Returns the folders of these arrays.
        """
        folders = []
        for node, has_run in zip(describe_nodes(self.plan), ran, strict=True):
            if lacks_some(node.output, has_run):
                group = self._root[f"ops/{node.path}"]
                values = arrange_ran(node.output, has_run)
                create_array(group, "ran", values.dtype, values.shape, node.lead)[:] = values
                folders.append(f"ops/{node.path}/ran")
        return folders

    def _read_deviations(self) -> dict[int, BatchDeviation]:
        """Return how batches deviated from the recorded pass in any sample, by first row."""
        deviations: dict[int, BatchDeviation] = {}
        for number in range(self.plan.n_steps):
            deviation = unpack_deviation(str(self._root[DEVIATIONS][number]))
            if deviation != BatchDeviation():
                first = self.plan.split_step(number).rows.start
                before = deviations.get(first, BatchDeviation())
                deviations[first] = merge_deviations(before, deviation)
        return deviations


class _Summary(NamedTuple):
    """The summary of a complete store; ``ran`` is (op, sample, stimulus)."""

    attributes: dict[str, Any]
    ran: np.ndarray
    unplaced: list[str]


def refuse_foreign(file: Path) -> None:
    """Raise DataError where a file beside the store, which a run writes, is somebody else's."""
    content = read_file(file)
    if content and not _TOKEN.fullmatch(content):
        raise DataError(
            f"{str(file)!r} is needed while the store is written, and holds something else. Move "
            "it, or give another store=.",
            anchor="cannot-write",
        )


@contextmanager
def explain_disk_errors(store: ActivationStore) -> Iterator[None]:
    """Turn an error of the file system into one that says what is safe and how to continue."""
    try:
        yield
    except (OSError, KeyError) as error:
        advice = (
            "Parts of it were moved or removed while it was written. Put them back and run the "
            "same call again"
            if isinstance(error, (KeyError, FileNotFoundError))
            else "Batches that are done are safe; make room or correct the path, and run the same "
            "call again: it goes on from there"
        )
        message = f"{str(store.path)!r} could not be written: {error}. {advice}."
        raise DataError(message, anchor="cannot-write") from error
