"""``neurolens explain``: the section of the errors page that the last line of an error names."""

import re
from pathlib import Path
from textwrap import shorten

import click
from click.shell_completion import CompletionItem

from neurolens.cli.console import Console, add_console
from neurolens.errors import DataError
from neurolens.labels import suggest_name

PAGE = "errors.md"
WIDTH = 98  # of a line in the list
_SECTION = re.compile(r"^## ([a-z][a-z-]*)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```\w*\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


def find_page() -> Path:
    """Return the path of the page: in the package, or in the repository beside it."""
    package = Path(__file__).parents[2]
    shipped = package / f"_{PAGE}"
    return shipped if shipped.is_file() else package.parent / "docs" / PAGE


def read_sections() -> dict[str, str]:
    """Return the sections of the page by their names, in its order.

    Raises
    ------
    DataError
        The page is not there: the installation is not complete.
    """
    path = find_page()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"the page of errors cannot be read ({error.strerror}: {str(path)!r}). Install "
            "neurolens again.",
            anchor="file-not-found",
        ) from error
    return {name: body.strip() + "\n" for name, body in _SECTION.findall(text)}


def format_section(name: str, body: str) -> str:
    """Return a section for a terminal, its code moved in instead of fenced."""
    text = _FENCE.sub(lambda match: re.sub(r"^(?=.)", "    ", match[1], flags=re.MULTILINE), body)
    return f"{name}\n{'-' * len(name)}\n{text.rstrip()}"


def tell_first_sentence(body: str) -> str:
    """Return the first sentence of a section, in one line."""
    paragraph = " ".join(body.split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph)[0]


def complete_section(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a section."""
    return [
        CompletionItem(name, help=tell_first_sentence(body))
        for name, body in read_sections().items()
        if name.startswith(incomplete)
    ]


@click.command("explain")
@click.argument("anchor", required=False, shell_complete=complete_section)
@click.option("--list", "lists", is_flag=True, help="List all sections.")
@add_console
def command(*, console: Console, anchor: str | None, lists: bool) -> None:
    r"""Say more about an error: what it means, why it is raised, and what to type.

    ANCHOR is the last word of the error, as in "More: neurolens explain ids-differ".

    \b
    Examples:
      neurolens explain ids-differ
      neurolens explain --list
    """
    if lists == (anchor is not None):
        raise click.UsageError("Give the last word of the error, or --list, and not both.")
    sections = read_sections()
    if anchor is None:
        firsts = {name: tell_first_sentence(body) for name, body in sections.items()}
        width = max(map(len, firsts))
        lines = [f"{name:{width}}  {shorten(firsts[name], WIDTH - width)}" for name in firsts]
        console.answer("\n".join(lines), firsts)
        return
    if anchor not in sections:
        raise suggest_name(anchor, sections, "section", "See neurolens explain --list.")
    body = sections[anchor]
    console.answer(format_section(anchor, body), {"anchor": anchor, "text": body})
