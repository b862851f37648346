"""The blocks of code on the pages of the documentation, and what they start from."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(
    r"^(?P<marks>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=marks)[ ]*$", re.M | re.S
)
STARTS = re.compile(r"^Starts from (.*?)[.:]\s*$", re.M | re.S)


class Block(NamedTuple):
    """A block of a page: its language, whether it is another package's code, and its lines."""

    language: str
    is_peers: bool
    code: str
    line: int


def list_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(Block(*read_info(match["info"]), match["code"], line))
    return blocks


def read_info(info: str) -> tuple[str, bool]:
    """Return the language of a block, and whether its code is another package's.

    ``python`` or, with marks, ``{ .python .peer title="..." }``.
    """
    words = info.strip(" {}").split()
    return words[0].lstrip(".") if words else "", ".peer" in words


def list_starting_names(page: Path) -> list[str]:
    """Return the names that a page says it starts from: code in its line "Starts from ..."."""
    found = STARTS.search(page.read_text(encoding="utf-8"))
    return re.findall(r"`(\w+)`", found[1]) if found else []


def name_page(page: Path) -> str:
    """Return the path of a page below the root."""
    return page.relative_to(ROOT).as_posix()
