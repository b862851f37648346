"""Tutorials as pages, with the outputs that their notebooks hold; nothing is run."""

import base64
import re

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from places import ROOT, find_site_path, list_outside

# The richest form first.
PICTURES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
COLORS = re.compile(r"\x1b\[[0-9;]*m")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and its pictures."""
    for path in list_outside():
        if path.endswith(".ipynb"):
            notebook = nbformat.read(ROOT / path, as_version=4)
            page = find_site_path(path)
            folder = page.removesuffix(".md")
            text, pictures = write_page(notebook, folder.rpartition("/")[2])
            files.append(File.generated(config, page, content=text))
            for name, content in pictures.items():
                files.append(File.generated(config, f"{folder}/{name}", content=content))
    return files


def write_page(notebook: nbformat.NotebookNode, folder: str) -> tuple[str, dict[str, str | bytes]]:
    """Write a notebook as Markdown.

    Parameters
    ----------
    notebook : NotebookNode
    folder : str
        Where its pictures will be, from the page.

    Returns
    -------
    text : str
    pictures : dict
        Name -> content of each picture.
    """
    parts: list[str] = []
    pictures: dict[str, str | bytes] = {}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(fence(cell.source, "python"))
            for place, output in enumerate(cell.outputs):
                name = f"cell{number:02d}_{place}"
                parts.append(write_output(output, name, folder, pictures))
    return "\n\n".join(part for part in parts if part) + "\n", pictures


def write_output(
    output: nbformat.NotebookNode, name: str, folder: str, pictures: dict[str, str | bytes]
) -> str:
    """Write what a cell printed or showed as Markdown, and keep its picture in `pictures`."""
    if output.output_type == "stream":
        return fence(COLORS.sub("", output.text.rstrip()), "text")
    data = output.get("data", {})
    for kind, suffix in PICTURES.items():
        if kind in data:
            content = data[kind]
            is_text = kind == "image/svg+xml"
            pictures[f"{name}.{suffix}"] = content if is_text else base64.b64decode(content)
            return f"![What the cell shows]({folder}/{name}.{suffix})"
    if "text/html" in data:
        # Without empty lines, which would end a block of HTML in Markdown.
        lines = [line for line in data["text/html"].splitlines() if line.strip()]
        return '<div class="cell-output">\n' + "\n".join(lines) + "\n</div>"
    return fence(COLORS.sub("", data.get("text/plain", "")), "text")


def fence(text: str, language: str) -> str:
    """Put text between fences that are longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text}\n{marks}" if text else ""
