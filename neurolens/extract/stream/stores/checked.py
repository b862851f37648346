"""Reading of a store's files, each of which is checked when it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

from neurolens.errors import DataError
from neurolens.extract.stream.stores.chunks import ArrayForm
from neurolens.extract.stream.stores.headers import HEADER
from neurolens.extract.stream.stores.labels import Labels

_REMEDY = "Run the same extract_activations call again: it computes again what is damaged."


class CheckedStore(LocalStore):
    """A folder that zarr reads from; a chunk that is missing or has changed is a DataError.

    Parameters
    ----------
    root : Path
    forms : dict of str
        Form of each array, by folder.
    labels : Labels
        For messages.
    """

    def __init__(self, root: Path, forms: Mapping[str, ArrayForm], labels: Labels) -> None:
        super().__init__(root, read_only=True)
        self.forms = forms
        self.labels = labels

    def with_read_only(self, read_only: bool = False) -> "CheckedStore":
        """Return this store: it is only read from."""
        return self

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return the content of a file, checked; None for a header that is not there."""
        try:
            buffer = await super().get(key, prototype, byte_range)
        except OSError as error:
            raise self._explain(key, f"cannot be read ({error})") from error
        return self._check(key, buffer)

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        """Return what `get` does."""
        try:
            buffer = super().get_sync(key, prototype=prototype, byte_range=byte_range)
        except OSError as error:
            raise self._explain(key, f"cannot be read ({error})") from error
        return self._check(key, buffer)

    def _check(self, key: str, buffer: Any) -> Any:
        form = self._find_form(key)
        if form is None:
            return buffer
        flaw = form.find_flaw(None if buffer is None else buffer.as_numpy_array())
        if flaw:
            raise self._explain(key, flaw)
        return buffer

    def _find_form(self, key: str) -> ArrayForm | None:
        """Return the form of the array that a chunk belongs to; None for a header."""
        if key.endswith(HEADER):
            return None
        return self.forms.get(key.rpartition("/c/")[0])

    def _explain(self, key: str, flaw: str) -> DataError:
        form = self._find_form(key)
        what = key if form is None else self.labels.describe_chunk(form, key)
        return DataError(
            f"{str(self.root)!r} is damaged: {what} cannot be read, the file {key} {flaw}. "
            f"{_REMEDY}",
            anchor="store-damaged",
        )
