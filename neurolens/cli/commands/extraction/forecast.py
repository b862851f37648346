"""``neurolens forecast``: what a run will cost."""

from typing import Any

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.parameters.networks import NetworkChoice, add_network, load_network
from neurolens.cli.parameters.runs import RunChoice, add_precision, add_run, read_reducers
from neurolens.cli.parameters.stimuli import StimuliChoice, add_stimuli, load_shown


@click.command("forecast")
@add_network
@add_stimuli
@add_run
@click.option("--reducer", multiple=True, metavar="NAME", help="As for `neurolens extract`.")
@click.option("--sketch", type=click.IntRange(min=1), metavar="N", help="As for `neurolens grams`.")
@add_precision
@add_console
def command(
    *,
    network: NetworkChoice,
    stimuli: StimuliChoice,
    run: RunChoice,
    reducer: tuple[str, ...],
    sketch: int | None,
    precision: str,
    console: Console,
) -> None:
    r"""Tell what `extract` and `grams` would cost: passes, seconds, memory and disk.

    \b
    Examples:
      neurolens forecast torchvision/alexnet images/ --weights none
      neurolens forecast torchvision/alexnet images/ --weights none --reducer mean --memory 1GiB
    """
    from neurolens.extract import forecast

    reducers = read_reducers(reducer)
    loaded = load_network(network)
    shown = load_shown(stimuli, loaded, quiet=console.hides_progress)
    settings = run.list_settings()
    del settings["workers"]
    costs = forecast(
        loaded.model,
        shown,
        reducer=reducers,
        sketch=sketch,
        precision=precision,
        **settings,
    )
    facts: dict[str, Any] = {
        "model": loaded.identity.name,
        "n_stimuli": len(shown),
        "n_results": len(costs),
        "batch_size": costs.batch_size,
        "flops": costs.flops,
        "stimuli_per_second": costs.stimuli_per_second,
        "activations": costs.activations._asdict(),
        "grams": None if costs.grams is None else costs.grams._asdict(),
        "skipped_ops": costs.skipped_ops,
    }
    console.answer(f"{len(shown)} stimuli: {costs.summarize()}", facts)
