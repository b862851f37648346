"""Damage of a store: found in all of its files, and taken out so that it is computed again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.extract.stream.plan import Plan, Step
from neurolens.extract.stream.stores.chunks import (
    ArrayForm,
    pack_values,
    read_form,
    read_values,
)
from neurolens.extract.stream.stores.headers import (
    HEADER,
    SEAL,
    is_sealed,
    list_headers,
    read_header,
    write_file,
)
from neurolens.extract.stream.stores.labels import Labels
from neurolens.extract.stream.stores.making import DEVIATIONS, DONE, remove_files
from neurolens.extract.stream.stores.writer import CHECKS
from neurolens.labels import STIMULUS

_LISTED = 3


def list_flaws(path: Path, root: Mapping[str, Any], labels: Labels) -> list[str]:
    """Return what is wrong with a finished store, whose own header is sound; it is read in full."""
    flaws = []
    for folder, header in list_headers(root).items():
        if read_header(path / folder / HEADER) != header:
            flaws.append(f"the header of {labels.describe_folder(folder)}")
        if header["node_type"] != "array":
            continue
        form = read_form(folder, header)
        for key in form.list_chunks():
            flaw = form.find_flaw(read_file(path / key))
            if flaw:
                flaws.append(describe_flaw(labels, form, key, flaw))
    return flaws


def describe_flaw(labels: Labels, form: ArrayForm, key: str, flaw: str) -> str:
    """Return what a damaged chunk held, and what is wrong with its file."""
    return f"{labels.describe_chunk(form, key)} (the file {key} {flaw})"


def list_some(flaws: Sequence[str]) -> str:
    """Return the first flaws for a message, with a count of the rest."""
    rest = len(flaws) - _LISTED
    return "; ".join(flaws[:_LISTED]) + (f"; and {rest} more" if rest > 0 else "")


def read_file(path: Path) -> bytes | None:
    """Return the content of a file, None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


class Repair:
    """The repair of a store that was made as the present plan would make it.

    Parameters
    ----------
    path : Path
    files : dict of str
        Of a store in which nothing is done; see `make_files`.
    labels : Labels
        The ops in the order of the plan.
    plan : Plan
    """

    def __init__(self, path: Path, files: Mapping[str, bytes], labels: Labels, plan: Plan) -> None:
        self._path = path
        self._files = files
        self._labels = labels
        self._plan = plan
        self._flaws: list[str] = []
        self._forms: dict[str, ArrayForm] = {}
        for key, content in files.items():
            header = json.loads(content) if key.endswith(HEADER) else {}
            if header.get("node_type") == "array":
                folder = key.removesuffix(f"/{HEADER}")
                self._forms[folder] = read_form(folder, header)

    def run(self) -> list[str]:
        """Bring the store into the form of one that is being written, and return what was damaged.

        Its header loses the seal first. All other files are then as they were written, and batches
        of which some file was not count as not done.
        """
        root = read_header(self._path / HEADER)
        was_sealed = is_sealed(root)
        if root is None or (not was_sealed and SEAL in root["attributes"]):
            self._flaws.append("its header")
        headers = list_headers(root) if root is not None and was_sealed else {}
        write_file(self._path / HEADER, self._files[HEADER])
        self._remove_summary(headers)
        for key, content in self._files.items():
            if key != HEADER:
                self._restore(key, content, headers)
        for number in range(self._plan.n_steps):
            self._check_step(self._plan.split_step(number), was_sealed)
        return self._flaws

    def _remove_summary(self, headers: Mapping[str, Any]) -> None:
        """Remove the arrays that `ActivationStore.finish` writes."""
        for folder in self._labels.ops:
            array = f"ops/{folder}/ran"
            if f"{array}/{HEADER}" in self._files:
                continue
            if array in headers:
                self._check_summary(array, headers[array])
            chunks = ["c/0", "c/0/0"]  # (stimulus,) or (stimulus, sample)
            written = [self._path / array / name for name in (HEADER, *chunks)]
            remove_files(self._path, [file for file in written if file.is_file()])

    def _check_summary(self, array: str, header: Mapping[str, Any]) -> None:
        form = read_form(array, header)
        if read_header(self._path / array / HEADER) != header:
            self._flaws.append(f"the header of {self._labels.describe_folder(array)}")
        for key in form.list_chunks():
            self._find_flaw(form, key)

    def _restore(self, key: str, content: bytes, headers: Mapping[str, Any]) -> None:
        """Write a file that is known before a run, where it is not as it was written."""
        found = read_file(self._path / key)
        if found == content:
            return
        if key.endswith(HEADER):
            folder = key.removesuffix(f"/{HEADER}")
            header = read_header(self._path / key)
            if header is None or header != headers.get(folder, header):
                self._flaws.append(f"the header of {self._labels.describe_folder(folder)}")
        else:
            form = self._forms[key.rpartition("/c/")[0]]
            flaw = "is missing" if found is None else "has changed since it was written"
            self._flaws.append(describe_flaw(self._labels, form, key, flaw))
        write_file(self._path / key, content)

    def _check_step(self, step: Step, was_sealed: bool) -> None:
        """Check the files of a step; remove those that are damaged, and count it as not done."""
        form = self._forms[DONE]
        key = form.locate((0, step.number))
        content = read_file(self._path / key)
        if content is None and not was_sealed:
            return
        if content is None or self._find_flaw(form, key):
            remove_files(self._path, [self._path / key])
            if content is None:
                self._flaws.append(
                    f"which ops of batch {step.number} are done (the file {key} is missing)"
                )
            return
        done = read_values(form, bool, content).copy()  # (op, 1)
        was_done = done[:, 0].copy()
        if not was_done.any():
            return
        damaged = []
        for shared in self._list_shared(step):
            if self._find_flaw(*shared):
                done[:] = False
                damaged.append(shared[1])
        folders = np.array(list(self._labels.ops), dtype=object)
        for i in np.flatnonzero(was_done):
            if step.sample >= self._plan.outputs[i].n_samples:
                continue
            form = self._forms[f"ops/{folders[i]}/activation"]
            for chunk in form.list_chunks_of(STIMULUS, step.rows, sample=step.sample):
                if self._find_flaw(form, chunk):
                    done[i] = False
                    damaged.append(chunk)
        if damaged:
            write_file(self._path / key, *pack_values(done))
            remove_files(self._path, [self._path / one for one in damaged])

    def _list_shared(self, step: Step) -> Iterator[tuple[ArrayForm, str]]:
        """Yield the chunks of a step that all ops have in common."""
        yield self._forms[DEVIATIONS], self._forms[DEVIATIONS].locate((step.number,))
        for check in CHECKS:
            form = self._forms[f"checks/{check}"]
            for key in form.list_chunks_of(STIMULUS, step.rows, sample=step.sample):
                yield form, key

    def _find_flaw(self, form: ArrayForm, key: str) -> bool:
        """Return whether a chunk is damaged, and note it."""
        flaw = form.find_flaw(read_file(self._path / key))
        if flaw:
            self._flaws.append(describe_flaw(self._labels, form, key, flaw))
        return bool(flaw)
