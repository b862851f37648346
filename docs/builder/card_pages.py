"""A page for each data set, from its card."""

import tomllib
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from places import ROOT

# Rows of the table of facts, in order.
FACTS = ("species", "holds", "subjects", "regions", "licence", "terms", "where")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each card."""
    for path in sorted((ROOT / "datasets").glob("*/card.toml")):
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        page = f"cards/{card['key']}.md"
        files.append(File.generated(config, page, content=write_card(card)))
    return files


def write_card(card: dict[str, Any]) -> str:
    """Write a card as Markdown."""
    lines = [f"# `{card['key']}`", "", f"**{card['title']}**", "", card["description"].strip()]
    lines += ["", f'`nl.load_dataset("{card["key"]}")`', "", "| | |", "|---|---|"]
    lines += [f"| {name} | {write_cell(card[name])} |" for name in FACTS if name in card]
    for part, how in card.get("tried", {}).items():
        lines.append(f"| {part}, tried on | {write_cell(how)} |")
    if "files" in card:
        size = sum(file.get("bytes", 0) for file in card["files"])
        lines.append(f"| files | {len(card['files'])}, fetched; {size / 1e6:.1f} MB |")
    lines += ["", "## Cite", "", card["citation"].strip()]
    for title in ("options", "splits", "layout"):
        if card.get(title):
            lines += ["", f"## {title.capitalize()}", "", "| | |", "|---|---|"]
            lines += [f"| `{name}` | {write_cell(text)} |" for name, text in card[title].items()]
    return "\n".join(lines) + "\n"


def write_cell(value: Any) -> str:
    """Write a value as the cell of a table."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;").replace("{", "&#123;")
