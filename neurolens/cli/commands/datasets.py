"""``neurolens datasets``: what there is, its licences, what to cite, and how to fetch it."""

import textwrap
from typing import Any

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.parameters.brains import KeyParam, check_terms
from neurolens.cli.parameters.bundles import split_names
from neurolens.cli.tables import format_bytes

WIDTH = 100


@click.group("datasets", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    r"""List, describe and fetch data sets.

    \b
    Examples:
      neurolens datasets list
      neurolens datasets describe kriegeskorte2008
      neurolens datasets fetch kriegeskorte2008
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(print_list)


@command.command("list")
@add_console
def print_list(*, console: Console) -> None:
    r"""List the data sets, their licences and what to cite.

    \b
    Examples:
      neurolens datasets list
      neurolens datasets list --json
    """
    from neurolens.datasets import describe_dataset, list_datasets

    cards = {key: describe_dataset(key) for key in list_datasets()}
    lines = []
    for key, card in cards.items():
        lines.append(f"{key}: {card['title']}")
        lines.append(f"  licence: {card['licence']}; terms: {card['terms'].strip()}")
        lines.append(f"  tried on: {', '.join(dict.fromkeys(card['tried'].values()))}")
        lines.append(f"  cite: {card['citation'].strip()}")
    console.answer("\n".join(lines), cards)


@command.command("describe")
@click.argument("key", type=KeyParam())
@add_console
def print_card(*, key: str, console: Console) -> None:
    r"""Tell what the data set KEY holds, its size, its terms, and what to cite.

    \b
    Examples:
      neurolens datasets describe planted
      neurolens datasets describe kriegeskorte2008 --json
    """
    from neurolens.datasets import describe_dataset

    card = describe_dataset(key)
    console.answer(_write_card(card), card | {"n_bytes": count_bytes(card)})


@command.command("fetch")
@click.argument("key", type=KeyParam())
@click.option(
    "--subjects",
    multiple=True,
    callback=split_names,
    metavar="NAME,NAME",
    help="Only the files of these subjects.",
)
@click.option("--accept-terms", is_flag=True, help="Accept the terms of the data set.")
@click.option("--cache", metavar="FOLDER", help="Where files are kept. Default: your cache folder.")
@add_console
def fetch(
    *,
    key: str,
    subjects: list[str] | None,
    accept_terms: bool,
    cache: str | None,
    console: Console,
) -> None:
    r"""Fetch the files of the data set KEY, and check them against its checksums.

    Its size and terms are printed before. A fetch that is interrupted is continued by the next one.
    Files that are there already are checked and not fetched again.

    \b
    Examples:
      neurolens datasets fetch planted
      neurolens datasets fetch kriegeskorte2008 --cache data
    """
    from neurolens.datasets import describe_dataset
    from neurolens.datasets.cards import choose_names
    from neurolens.datasets.fetching import find_folder

    card = describe_dataset(key)
    chosen = choose_names(subjects, card, "subjects")
    console.tell(f"{key}: {_describe_size(card)}\nLicence: {card['licence']}")
    console.tell(_fill(f"Terms: {card['terms']}"))
    check_terms(card, accepted=accept_terms)
    has_files = bool(card.get("files") or card.get("layout"))
    facts: dict[str, Any] = {"key": key, "files": [], "folder": None, "n_bytes": 0}
    if not has_files:
        console.answer(f"{key} is made on the spot: there is nothing to fetch", facts)
        return
    folder = find_folder(
        card, subjects=chosen, folder=None, cache=cache, quiet=console.hides_progress
    )
    names = [entry["name"] for entry in card.get("files", [])]
    there = [name for name in names if (folder.path / name).is_file()]
    n_bytes = sum((folder.path / name).stat().st_size for name in there)
    facts |= {"files": there, "folder": folder.path, "n_bytes": n_bytes}
    checked = f"{len(there)} files checked ({format_bytes(n_bytes)})" if there else "files found"
    console.answer(f"{key}: {checked} in {folder.path}", facts)


def count_bytes(card: dict[str, Any]) -> int | None:
    """Return the size of the files of a data set, None where its card does not tell."""
    sizes = [entry.get("bytes") for entry in card.get("files", [])]
    return None if not sizes or None in sizes else sum(sizes)


def _describe_size(card: dict[str, Any]) -> str:
    n_files = len(card.get("files", []))
    if not n_files:
        is_own = bool(card.get("layout"))
        return "files that you have to get yourself" if is_own else "made on the spot, no files"
    size = count_bytes(card)
    return f"{n_files} files, {'of unknown size' if size is None else format_bytes(size)}"


def _fill(text: Any, indent: str = "") -> str:
    words = " ".join(str(text).replace("**", "").split())
    # Addresses stay whole, to be copied.
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=indent,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _write_card(card: dict[str, Any]) -> str:
    """Return a card as text."""
    lines = [f"{card['key']}: {' '.join(card['title'].split())}", "", _fill(card["description"])]
    lines.append("")
    facts = {
        "holds": ", ".join(card["holds"]),
        "tried on": ", ".join(f"{part}: {how}" for part, how in card["tried"].items()),
        "species": card["species"],
        "subjects": ", ".join(card.get("subjects", [])) or "none to choose from",
        "regions": ", ".join(card.get("regions", [])) or "none to choose from",
        "size": _describe_size(card),
        "licence": card["licence"],
        "terms": card["terms"],
        "cite": card["citation"],
        "where": card.get("where"),
    }
    lines += [_fill(f"{name}: {value}") for name, value in facts.items() if value]
    for name, meaning in card.get("options", {}).items():
        lines.append(_fill(f"--option {name}=...: {meaning}"))
    for name, meaning in card.get("splits", {}).items():
        lines.append(_fill(f"split {name}: {meaning}"))
    return "\n".join(lines)
