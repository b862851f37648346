"""``neurolens run``: a whole analysis from its file."""

from pathlib import Path
from typing import Any

import click

from neurolens.cli.analysis.locks import LOCK
from neurolens.cli.analysis.running import AnalysisResult, check_analysis, run_analysis
from neurolens.cli.app import REFUTED
from neurolens.cli.commands.extraction.notes import list_entries, write_notes
from neurolens.cli.console import Console, add_console
from neurolens.cli.demo.tables import format_best
from neurolens.errors import DifferenceError

DESCRIPTIONS = {
    "report.html": "everything on one interactive page: open it in a browser",
    "graph.svg": "the network's operations, colored by their fit",
    "profile.png": "scores along the network, with noise ceilings",
    "best_ops.csv": "the best operation of each region",
    "scores.nc": "all scores: xarray.load_dataset(path)",
    "rdms.nc": "the RDMs of all operations",
    "analysis.py": "the same analysis as a Python script, which gives the same numbers",
    LOCK: "hashes and versions of all that was used",
}


@click.command("run")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Of the results.")
@click.option("--check", is_flag=True, help="Check the file, print what it means, run nothing.")
@click.option("--locked", is_flag=True, help=f"Only if all that is used is as {LOCK} says.")
@click.option("--overwrite", is_flag=True, help="Replace the results of another analysis.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Instead of what the file says, such as compare.comparator=spearman.",
)
@add_console
def command(
    *,
    console: Console,
    path: Path,
    output: Path | None,
    check: bool,
    locked: bool,
    overwrite: bool,
    overrides: tuple[str, ...],
) -> int:
    r"""Run a whole analysis from a file, and write its results with a lock.

    The whole file is checked before anything is computed. neurolens init writes an example.

    \b
    Examples:
      neurolens run analysis.toml --check
      neurolens run analysis.toml
      neurolens run analysis.toml --set compare.comparator=spearman --output spearman
      neurolens run analysis.toml --locked
    """
    if check:
        resolved = check_analysis(path, overrides)
        console.answer(f"{path.name} can be run; it means:\n{write_settings(resolved)}", resolved)
        return 0
    try:
        result = run_analysis(
            path,
            output=output,
            locked=locked,
            overwrite=overwrite,
            overrides=overrides,
            quiet=console.hides_progress,
            say=console.tell,
        )
    except DifferenceError as error:
        if not console.as_json:
            click.echo(f"neurolens: {error}", err=True)
        else:
            console.answer("", {"differences": error.differences})
        return REFUTED
    console.answer(write_answer(result), list_facts(result))
    return 0


def write_settings(resolved: dict[str, dict[str, Any]]) -> str:
    """Return resolved settings in lines."""
    lines = []
    for section, values in resolved.items():
        lines += [f"  {section}.{name} = {value!r}" for name, value in values.items()]
    return "\n".join(lines)


def write_answer(result: AnalysisResult) -> str:
    """Return what a run gave, for people."""
    parts = []
    if result.best is not None:
        parts.append(format_best(result.scores, result.best))
    else:
        parts.append("No operation was chosen: the scores have no halves, or have time bins.")
    parts.append("\n".join(write_notes(list_notes(result))))
    parts = [part for part in (*parts, write_comparison(result)) if part]
    lines = ["Where to look next:"]
    for name in DESCRIPTIONS:
        if name in (*result.lock["results"], LOCK):
            lines.append(f"  {result.folder / name!s:32} {DESCRIPTIONS[name]}")
    return "\n\n".join([*parts, "\n".join(lines)])


def list_notes(result: AnalysisResult) -> dict[str, list[str]]:
    """Return the operations that were left out, with reasons, and those that are random."""
    names = {"skipped_ops": "left_out", "random_ops": "random_ops"}
    return {key: list_entries(result.scores.attrs, name) for key, name in names.items()}


def write_comparison(result: AnalysisResult) -> str:
    """Return how a run relates to earlier results in its folder, "" where there were none."""
    if result.reproduced is None:
        return ""
    same = "are those" if result.reproduced else "differ from those"
    lines = [f"The scores {same} of the earlier results in the folder, byte for byte."]
    if not result.reproduced:
        lines[0] = "The scores differ from those of the earlier results in the folder."
    if result.differences:
        lines += ["What was used differs:", *(f"  {line}" for line in result.differences)]
    return "\n".join(lines)


def list_facts(result: AnalysisResult) -> dict[str, Any]:
    """Return what a run gave, for programs."""
    best = {}
    if result.best is not None:
        for region in result.best["region"].values:
            row = result.best.sel(region=region)
            score = row["heldout_mean"].item()
            best[str(region)] = {
                "best_op": str(row["best_op"].item()),
                "heldout_mean": score if score == score else None,
            }
    return {
        "folder": str(result.folder),
        "files": [*result.lock["results"], LOCK],
        "best": best,
        **list_notes(result),
        "differences": result.differences,
        "reproduced": result.reproduced,
    }
