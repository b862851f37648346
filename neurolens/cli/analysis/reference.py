"""The table of all keys as text for docs/analysis.md: ``python -m`` this module writes it there."""

import json
import sys
from pathlib import Path
from typing import Any

from neurolens.cli.analysis.keys import KEYS, SECTIONS, Key

START = "<!-- keys: written by python -m neurolens.cli.analysis.reference docs/analysis.md -->"
END = "<!-- end of keys -->"


def write_reference() -> str:
    """Return sections with a table of keys each, in Markdown."""
    parts = []
    for section, text in SECTIONS.items():
        rows = [_write_row(key) for key in KEYS if key.section == section]
        head = ["| key | value | default | meaning |", "|---|---|---|---|"]
        parts.append("\n".join([f"### `[{section}]`", "", text, "", *head, *rows]))
    return "\n\n".join(parts)


def _write_row(key: Key) -> str:
    value = key.kind.expects
    if key.choices:
        value = ", ".join(f'`"{choice}"`' for choice in key.choices)
        if key.kind.expects.endswith("list of different texts"):
            value += ", or a list of these"
    default = "" if key.default is None else f"`{json.dumps(key.default)}`"
    needs = f" Goes with {_write_needs(key.needs)}." if key.needs else ""
    handed = f" [`{key.argument}`]" if key.argument else ""
    return f"| `{key.name}` | {value} | {default} | {key.text}{needs}{handed} |"


def _write_needs(needs: str) -> str:
    address, equals, value = needs.partition("=")
    if not equals:
        return f"`{address}`"
    return f"`{address} = {value if value == 'true' else json.dumps(value)}`"


def replace_keys(page: str) -> str:
    """Return a page with the keys between its two marks written anew."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{write_reference()}\n\n{END}{after}"


def main(arguments: list[Any]) -> None:
    """Write the keys into the page of the first argument."""
    path = Path(arguments[0])
    path.write_text(replace_keys(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
