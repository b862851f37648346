"""The folder with the files of a data set, as recipes see it: names checked, bytes counted."""

import glob
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

from neurolens.datasets.paths import check_inside, locate_inside, split_name
from neurolens.errors import DataError
from neurolens.labels import list_names

_ENTITY = re.compile(r"\{(\w+)\}")


class Found(NamedTuple):
    """A file of a layout: its ``name`` inside the folder, and the ``entities`` in it."""

    name: str
    entities: dict[str, str]


class Folder:
    """The files of a data set.

    Attributes
    ----------
    path : Path
    card : dict
    bytes_read : int
        So many bytes were read from files that `open` opened, or that `locate_whole` located.
    """

    def __init__(self, path: Path, card: dict[str, Any]) -> None:
        self.path = path
        self.card = card
        self.bytes_read = 0

    def locate(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        DataError
            There is no such file, or the name leads out of the folder.
        """
        path = locate_inside(self.path, name, self._name_source())
        if not path.is_file():
            raise DataError(
                f"data set {self.card['key']!r}: there is no {name} in {self.path}."
                f"{self.describe_source()}",
                anchor="data-set-incomplete",
            )
        return path

    def locate_whole(self, name: str) -> Path:
        """Return the path of a file that will be read whole, and count its bytes as read."""
        path = self.locate(name)
        self.bytes_read += path.stat().st_size
        return path

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        return locate_inside(self.path, name, self._name_source()).is_file()

    def open(self, name: str) -> "CountedFile":
        """Return a file opened for reading, whose bytes are counted as they are read."""
        return CountedFile(self.locate(name), self)

    def find(self, part: str, **entities: str) -> list[Found]:
        """Return the files of a part of the layout, in sorted order of their names.

        Parameters
        ----------
        part : str
            Name of a pattern in the card's layout, such as ``"betas"`` for
            ``"{subject}/betas_session{session}.nii"``.
        **entities
            Those that are given; the files have any value of the others.
        """
        pattern = self.card["layout"][part]
        sample = _ENTITY.sub(lambda match: entities.get(match[1], "x"), pattern)
        split_name(sample, self._name_source())
        wanted = _ENTITY.sub(
            lambda match: glob.escape(entities[match[1]]) if match[1] in entities else "*", pattern
        )
        expression = _write_expression(pattern, entities)
        files = []
        for path in self.path.glob(wanted):
            name = path.relative_to(self.path).as_posix()
            match = expression.fullmatch(name)
            if match and path.is_file():
                check_inside(path, self.path)
                files.append(Found(name, {**entities, **match.groupdict()}))
        return sorted(files)

    def find_one(self, part: str, **entities: str) -> str:
        """Return the name of the only file of a part of the layout.

        Raises
        ------
        DataError
            There is none, or there are several.
        """
        files = self.find(part, **entities)
        if len(files) != 1:
            wanted = _ENTITY.sub(
                lambda match: entities.get(match[1], match[0]), self.card["layout"][part]
            )
            what = f"several: {list_names(file.name for file in files)}" if files else "none"
            raise DataError(
                f"data set {self.card['key']!r} needs one file {wanted} in {self.path}, and there "
                f"is {what}.{self.describe_source()}",
                anchor="data-set-incomplete",
            )
        return files[0].name

    def describe_source(self) -> str:
        """Return a sentence on where to get the files, after a space, or nothing."""
        where = str(self.card.get("where", "")).strip()
        return f" {where}" if where else ""

    def _name_source(self) -> str:
        return f"the recipe of {self.card['key']!r}"


class CountedFile(io.FileIO):
    """A file opened for reading that adds the bytes read to ``counter.bytes_read``.

    It has no buffer, so that no more is read than is asked for.
    """

    def __init__(self, path: Path, counter: Any) -> None:
        super().__init__(path, "rb")
        self._counter = counter

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes, all that are left by default."""
        if size is None or size < 0:
            return self.readall()
        content = super().read(size)
        self._counter.bytes_read += len(content)
        return content

    def readall(self) -> bytes:
        """Return all bytes that are left."""
        content = super().readall()
        self._counter.bytes_read += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return how many bytes."""
        n_bytes = super().readinto(buffer)
        self._counter.bytes_read += n_bytes
        return n_bytes


def _write_expression(pattern: str, entities: dict[str, str]) -> re.Pattern[str]:
    """Return the regular expression of a pattern, with a group for each entity not given."""
    written = ""
    end = 0
    seen: set[str] = set()
    for match in _ENTITY.finditer(pattern):
        written += re.escape(pattern[end : match.start()])
        name = match[1]
        if name in entities:
            written += re.escape(entities[name])
        elif name in seen:
            written += f"(?P={name})"
        else:
            written += f"(?P<{name}>[^/]+)"
        seen.add(name)
        end = match.end()
    return re.compile(written + re.escape(pattern[end:]))
