"""``neurolens extract``: activations of the operations of a model, in a store."""

from pathlib import Path

import click

from neurolens.cli.commands.extraction.notes import list_entries, write_notes
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_folder, quote_path
from neurolens.cli.parameters.networks import NetworkChoice, add_network, load_network
from neurolens.cli.parameters.results import write_store_origin
from neurolens.cli.parameters.runs import RunChoice, add_run, read_reducers
from neurolens.cli.parameters.stimuli import StimuliChoice, add_stimuli, load_shown
from neurolens.cli.tables import format_bytes

SUFFIX = ".zarr"


@click.command("extract")
@add_network
@add_stimuli
@add_run
@click.option(
    "--reducer",
    multiple=True,
    metavar="NAME",
    help="Make results smaller: mean, max, cls, float16, subsample:N, project; may be "
    "repeated, in order.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FOLDER.zarr",
    type=click.Path(path_type=Path),
    help="The store to write, or to continue.",
)
@add_console
def command(
    *,
    network: NetworkChoice,
    stimuli: StimuliChoice,
    run: RunChoice,
    reducer: tuple[str, ...],
    output: Path,
    console: Console,
) -> None:
    r"""Write the activations of MODEL for every stimulus into a store.

    STIMULI is a folder, a table, an array (.npy, .zarr) or dataset:KEY. The same command continues
    where an interrupted one ended; a store that was made with other settings is refused.

    \b
    Examples:
      neurolens extract torchvision/alexnet images/ --weights none --reducer mean -o acts.zarr
      neurolens extract torchvision/alexnet images/ --weights none --ops "*relu*" -o relus.zarr
    """
    from neurolens.extract import extract_activations

    check_folder(output, suffix=SUFFIX)
    reducers = read_reducers(reducer)
    loaded = load_network(network)
    shown = load_shown(stimuli, loaded, quiet=console.hides_progress)
    tree = extract_activations(
        loaded.model,
        shown,
        reducer=reducers,
        store=output,
        rng=network.seed,
        quiet=console.hides_progress,
        **run.list_settings(),
    )
    origin = {
        "network": network.describe() | {"sha256": loaded.identity.sha256},
        "stimuli": stimuli.describe(),
    }
    write_store_origin(output, origin)
    n_bytes = sum(one.stat().st_size for one in output.rglob("*") if one.is_file())
    ops = list(tree.attrs["ops"])
    facts = {
        "output": output,
        "model": loaded.identity.name,
        "n_stimuli": len(shown),
        "ops": ops,
        "n_bytes": n_bytes,
        "skipped_ops": list_entries(tree.attrs, "skipped_ops"),
        "random_ops": list_entries(tree.attrs, "random_ops"),
    }
    text = (
        f"{output}: results of {len(ops)} operations for {len(shown)} stimuli "
        f"({format_bytes(n_bytes)})"
    )
    if not console.quiet:
        text += "".join(f"\n{line}" for line in write_notes(tree.attrs))
        text += f"\nNext: neurolens rdms {quote_path(output)} --output rdms.nc"
    console.answer(text, facts)
