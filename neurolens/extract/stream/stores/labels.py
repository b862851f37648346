"""What the folders and chunks of a store hold, in words for messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurolens.extract.stream.stores.chunks import ArrayForm
from neurolens.labels import OP, SAMPLE, STIMULUS


@dataclass
class Labels:
    """What the folders of a store mean: ops by folder, and the ids of the stimuli, in order."""

    ops: Mapping[str, str]
    ids: Sequence[str]

    def describe_folder(self, folder: str) -> str:
        """Return what an array or a group of the store is about, for a message."""
        place, _, array = folder.rpartition("/")
        if array == STIMULUS and place in ("ops", "checks"):
            return "the ids of the stimuli"
        if folder == f"ops/{SAMPLE}":
            return "the numbers of the samples"
        if folder == f"checks/{OP}":
            return "the names of the ops"
        if folder == "checks/metadata":
            return "the metadata of the stimuli"
        if place == "checks":
            return f"{array!r} of all ops"
        op = self.ops.get(folder.removeprefix("ops/"))
        if op is not None:
            return repr(op)
        op = self.ops.get(place.removeprefix("ops/"))
        if op is None:
            return "the ops"
        return repr(op) if array == "activation" else f"{array!r} of {op!r}"

    def describe_chunk(self, form: ArrayForm, key: str) -> str:
        """Return what a chunk holds, for a message: an op, and the first and last stimulus."""
        what = self.describe_folder(form.path)
        rows = form.find_rows(key, STIMULUS)
        if form.path.endswith(f"/{STIMULUS}") or rows is None or not self.ids:
            return what
        where = f"{what} for stimuli {self.ids[rows[0]]!r} to {self.ids[rows[-1]]!r}"
        samples = form.find_rows(key, SAMPLE)
        has_several = samples is not None and form.shape[form.dims.index(SAMPLE)] > 1
        return f"{where} in sample {samples[0]}" if samples and has_several else where
