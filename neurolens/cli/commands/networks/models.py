"""``neurolens models``: the models that can be loaded by name."""

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.tables import format_count, format_rows

# Of the column of weights, in letters.
WIDTH = 45


@click.command("models")
@click.argument("pattern", default="*")
@click.option(
    "--source", type=click.Choice(["torchvision", "timm"]), help="The models of one library."
)
@add_console
def command(*, pattern: str, source: str | None, console: Console) -> None:
    r"""List the models whose name matches PATTERN, such as "resnet*".

    Of torchvision and, where it is installed, timm. Models of Hugging Face and torch.hub are named
    by their repository (hf/..., hub/...), your own by FILE.py:FUNCTION.

    \b
    Examples:
      neurolens models "resnet1*" --source torchvision
      neurolens models vit --json
    """
    from neurolens.errors import UnknownNameError
    from neurolens.models import list_models

    table = list_models(pattern, source=source)
    if table.empty:
        raise UnknownNameError(
            f"no model matches {pattern!r}; `neurolens models` lists all of them",
            anchor="unknown-model",
        )
    rows = []
    for row in table.itertuples():
        size = None if row.input_size is None else format_count(row.input_size)
        rows.append(
            (row.name, row.source, format_count(row.n_parameters), size, _clip_names(row.weights))
        )
    heads = ("name", "library", "parameters", "input size", "trained weights")
    text = format_rows(heads, rows, right="parameters")
    if not console.quiet:
        text += f"\n{len(table):,} models"
    console.answer(text, table.to_dict(orient="records"))


def _clip_names(text: str) -> str:
    """Return names separated by commas, of many the first few and the number of the others."""
    names = text.split(", ")
    kept = len(names)
    while kept > 1 and len(", ".join(names[:kept])) > WIDTH:
        kept -= 1
    more = f" and {len(names) - kept} more" if kept < len(names) else ""
    return ", ".join(names[:kept]) + more
