"""``neurolens ops``: every operation of a model, as a table, a tree or a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, write_whole
from neurolens.cli.parameters.inputs import InputChoice, add_input, make_input
from neurolens.cli.parameters.networks import NetworkChoice, add_network, load_network
from neurolens.cli.tables import format_count, format_rows

if TYPE_CHECKING:
    import pandas as pd

PICTURES = (".svg", ".png", ".pdf", ".html", ".gv")
COLUMNS = (
    *"function module shape dtype n_parameters flops parents parameters".split(),
    *"alias_of time_step is_input is_output source".split(),
)


@click.command("ops")
@add_network
@click.option("--table", "form", flag_value="table", default="table", help="A row per operation.")
@click.option("--tree", "form", flag_value="tree", help="Operations below their modules.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the graph: .svg, .png, .pdf, .html (interactive) or .gv.",
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there.")
@add_input()
@add_console
def command(
    *,
    network: NetworkChoice,
    form: str,
    picture: Path | None,
    overwrite: bool,
    shown: InputChoice,
    console: Console,
) -> None:
    r"""List every operation of MODEL, with shapes, parameters and FLOPs.

    The model runs once, on a random picture prepared in the model's own way, unless --input, --text
    or --input-shape says otherwise. MODEL is a name (torchvision/resnet18, timm/..., hf/...,
    hub/...) or FILE.py:FUNCTION, a function in your own file that returns a model; its code is run.

    \b
    Examples:
      neurolens ops torchvision/resnet18 --weights none
      neurolens ops torchvision/resnet18 --weights none --tree
      neurolens ops torchvision/alexnet --weights none --picture alexnet.svg
      neurolens ops my_model.py:build --input-shape 3,64,64
    """
    from neurolens.extract import trace
    from neurolens.view import draw_graph

    if picture is not None:
        check_target(picture, overwrite=overwrite, suffixes=PICTURES, option="--picture")
    loaded = load_network(network)
    given = make_input(shown, loaded, network.seed)
    traced = trace(loaded.model, given.inputs, kwargs=given.kwargs)
    table = traced.table()
    lines = []
    if not console.quiet:
        lines.append(f"{loaded.identity.describe()} Shown: {given.description}.")
    if picture is None:
        lines.append(_write_tree(table) if form == "tree" else _write_table(table))
    else:
        drawing = draw_graph(traced, title=loaded.identity.name)
        with write_whole(picture) as partial:
            drawing.save(partial)
        lines.append(f"{picture}: {len(table)} operations drawn")
    if not console.quiet:
        lines.append(_write_total(table, shown.batch))
    facts = {
        "model": loaded.identity.name,
        "weights": loaded.identity.weights,
        "sha256": loaded.identity.sha256,
        "input": given.description,
        "picture": picture,
        "ops": [
            {"name": name, **dict(zip(COLUMNS, values, strict=True))}
            for name, *values in table[list(COLUMNS)].itertuples()
        ],
    }
    console.answer("\n".join(lines), facts)


def _describe_op(row: Any) -> tuple[str, str | None, str | None]:
    """Return shape, parameters and FLOPs of an op as text."""
    shape = "x".join(map(str, row.shape)) or "scalar"
    return shape, format_count(row.n_parameters), format_count(row.flops)


def _write_table(table: "pd.DataFrame") -> str:
    rows = [(row.Index, row.function, *_describe_op(row)) for row in table.itertuples()]
    heads = ("operation", "function", "shape", "parameters", "FLOPs")
    return format_rows(heads, rows, right="parameters FLOPs")


def _write_tree(table: "pd.DataFrame") -> str:
    """Return the ops below the modules that they belong to, in execution order."""
    rows = list(_list_branches(table))
    heads = ("operation", "shape", "parameters", "FLOPs")
    return format_rows(heads, rows, right="parameters FLOPs")


def _list_branches(table: "pd.DataFrame") -> Iterator[tuple[str | None, ...]]:
    """Yield a row for each module that is entered and for each op."""
    open_modules: list[str] = []
    for row in table.itertuples():
        parts = str(row.module).split(".") if row.module else []
        same = 0
        while same < min(len(parts), len(open_modules)) and parts[same] == open_modules[same]:
            same += 1
        for depth in range(same, len(parts)):
            is_last = depth == len(parts) - 1
            kind = f" ({row.module_class})" if is_last else ""
            yield (f"{'  ' * depth}{parts[depth]}{kind}", "", "", "")
        open_modules = parts
        name = str(row.Index).rpartition("/")[2]
        yield (f"{'  ' * len(parts)}/{name}", *_describe_op(row))


def _write_total(table: "pd.DataFrame", n_rows: int) -> str:
    """Return what all ops together cost, without the parameters that several of them share."""
    flops = table["flops"].dropna().sum()
    unknown = int(table["flops"].isna().sum())
    rest = f", unknown for {unknown}" if unknown else ""
    batch = "the input" if n_rows == 1 else f"the {n_rows} inputs"
    return f"{len(table)} operations, {flops / 1e9:.3g} GFLOPs for {batch}{rest}"
