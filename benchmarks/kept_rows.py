"""Tables whose rows are kept, each with its commit and processor, until they are measured again.

What a run does not reach is then that of the run before, and says so.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deadlines import MESSAGE
from machine import RESULTS, describe_machine, find_commit

# The heading of the last column, which every row gets here.
WHERE = "commit, processor"


class Section(NamedTuple):
    """The lines above the rows of one table, and the keys of its rows in their order."""

    head: tuple[str, ...]
    keys: tuple[str, ...]


class KeptTable:
    """One or more tables in benchmarks/results/, whose rows are kept in JSON beside them.

    Without a name rows are only printed. ``setting`` is told beside the machine of the last run.
    Rows are read when the table is opened: what cannot be read is told before anything is measured.
    """

    def __init__(
        self,
        name: str | None,
        title: str,
        sections: Sequence[Section],
        device: str = "cpu",
        setting: str = "",
    ) -> None:
        self._name = name
        self._title = title
        self._sections = sections
        machine = describe_machine(device).rpartition("; commit")[0]
        processor, _, rest = machine.partition(", ")
        self._machine = f"The last run: {rest}{setting}"
        self._where = f"{find_commit().removeprefix('commit ')}, {processor}"
        self._read_rows()

    def put(self, key: str, lines: Sequence[str]) -> None:
        """Print the lines of a row, and put them in place of those that it had before.

        Each line is a row of a table less its last cell, with the bar before that cell.
        """
        print(*lines, sep="\n", flush=True)
        if not any(key in section.keys for section in self._sections):
            raise ValueError(f"no section has the row {key!r}")
        if self._name is None:
            return
        rows = self._read_rows()
        rows[key] = [f"{line} {self._where} |" for line in lines]
        RESULTS.mkdir(exist_ok=True)
        _write_whole(RESULTS / f"{self._name}.json", json.dumps(rows, indent=1) + "\n")
        _write_whole(RESULTS / f"{self._name}.md", self._write_text(rows))

    def skip(self, key: str) -> None:
        """Tell that there was no time for a row."""
        print(f"{key}: {MESSAGE}", flush=True)

    def _read_rows(self) -> dict[str, list[str]]:
        """Return the lines of each row by its key, as they were measured last."""
        path = RESULTS / f"{self._name}.json"
        if self._name is None or not path.exists():
            return {}
        try:
            rows = json.loads(path.read_text())
        except ValueError:
            rows = None
        if not isinstance(rows, dict) or not all(isinstance(row, list) for row in rows.values()):
            raise ValueError(f"{path} holds no rows of a table. Restore it, or remove it.")
        return rows

    def _write_text(self, rows: dict[str, list[str]]) -> str:
        """Return the tables as text."""
        lines = [f"# {self._title}", "", self._machine]
        for section in self._sections:
            lines += ["", *section.head]
            for key in section.keys:
                lines += rows.get(key, [])
        return "\n".join(lines) + "\n"


def _write_whole(path: Path, text: str) -> None:
    """Write a file, or leave the one that was there where that is interrupted."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)
