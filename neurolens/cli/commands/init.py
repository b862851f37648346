"""``neurolens init``: an example of the file of an analysis, with comments."""

from pathlib import Path

import click

from neurolens.cli.analysis.templates import TEMPLATES, read_template
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, quote_path, write_whole


@click.command("init")
@click.argument("path", default="analysis.toml", metavar="[FILE]", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(list(TEMPLATES)),
    default="rsa",
    show_default=True,
    help="; ".join(f"{name}: {what}" for name, what in TEMPLATES.items()) + ".",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@add_console
def command(*, console: Console, path: Path, kind: str, overwrite: bool) -> None:
    r"""Write an example of the file that neurolens run takes.

    \b
    Examples:
      neurolens init
      neurolens init encoding.toml --kind encoding
      neurolens init mine.toml --kind own
    """
    check_target(path, overwrite=overwrite, option="FILE")
    with write_whole(path) as partial:
        partial.write_text(read_template(kind), encoding="utf-8")
    answer = f"wrote {path}: {TEMPLATES[kind]}\nnext: neurolens run {quote_path(path)}"
    console.answer(answer, {"file": str(path), "kind": kind})
