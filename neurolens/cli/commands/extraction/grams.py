"""``neurolens grams``: Gram matrices of every operation, from which RDMs follow exactly."""

from pathlib import Path

import click

from neurolens.cli.commands.extraction.notes import list_entries, write_notes
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, quote_path
from neurolens.cli.parameters.bundles import add_output
from neurolens.cli.parameters.networks import NetworkChoice, add_network, load_network
from neurolens.cli.parameters.results import SUFFIX, save_result
from neurolens.cli.parameters.runs import RunChoice, add_precision, add_run
from neurolens.cli.parameters.stimuli import StimuliChoice, add_stimuli, load_shown
from neurolens.cli.tables import format_bytes


@click.command("grams")
@add_network
@add_stimuli
@add_run
@click.option(
    "--sketch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Hash features into this many sums first, for many thousands of stimuli.",
)
@add_precision
@add_output(SUFFIX)
@add_console
def command(
    *,
    network: NetworkChoice,
    stimuli: StimuliChoice,
    run: RunChoice,
    sketch: int | None,
    precision: str,
    output: Path,
    overwrite: bool,
    console: Console,
) -> None:
    r"""Write the Gram matrix of every operation of MODEL over all stimuli.

    The set is run as often as --memory requires; the result does not depend on it. STIMULI is a
    folder, a table, an array (.npy, .zarr) or dataset:KEY.

    \b
    Examples:
      neurolens grams torchvision/alexnet images/ --weights none --output grams.nc
      neurolens grams torchvision/alexnet dataset:planted --weights none --output planted.nc
    """
    from neurolens.extract import extract_grams

    check_target(output, overwrite=overwrite, suffixes=[SUFFIX])
    loaded = load_network(network)
    shown = load_shown(stimuli, loaded, quiet=console.hides_progress)
    grams = extract_grams(
        loaded.model,
        shown,
        sketch=sketch,
        precision=precision,
        rng=network.seed,
        quiet=console.hides_progress,
        **run.list_settings(),
    )
    origin = {
        "network": network.describe() | {"sha256": loaded.identity.sha256},
        "stimuli": stimuli.describe(),
    }
    save_result(output, grams, origin)
    n_bytes = output.stat().st_size
    facts = {
        "output": output,
        "model": loaded.identity.name,
        "n_stimuli": len(shown),
        "ops": grams["op"].values,
        "n_passes": grams.attrs["n_passes"],
        "precision": grams.attrs["precision"],
        "n_bytes": n_bytes,
        "skipped_ops": list_entries(grams.attrs, "skipped_ops"),
        "random_ops": list_entries(grams.attrs, "random_ops"),
    }
    text = (
        f"{output}: Grams of {grams.sizes['op']} operations over {len(shown)} stimuli "
        f"({format_bytes(n_bytes)})"
    )
    if not console.quiet:
        text += "".join(f"\n{line}" for line in write_notes(grams.attrs))
        text += f"\nNext: neurolens rdms {quote_path(output)} --output rdms.nc"
    console.answer(text, facts)
