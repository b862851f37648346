"""``neurolens validate``: whether the recording of a model is what the model computes."""

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.parameters.inputs import InputChoice, add_input, make_input
from neurolens.cli.parameters.networks import NetworkChoice, add_network, load_network

# The exit status of a check that ran and whose answer is no, as in neurolens.cli.app.
REFUTED = 3


@click.command("validate")
@add_network
@add_input(n_rows=2)
@add_console
def command(*, network: NetworkChoice, shown: InputChoice, console: Console) -> int:
    r"""Check the recording of MODEL against the model itself.

    Prints "verified", "unverified" (nothing is wrong, but something could not be checked) or
    "failed", with the reasons. Ends with the exit status 3 where it has failed.

    \b
    Examples:
      neurolens validate torchvision/alexnet --weights none
      neurolens validate my_model.py:build --input-shape 3,64,64
    """
    from neurolens.extract import validate

    loaded = load_network(network)
    given = make_input(shown, loaded, network.seed)
    verdict = validate(loaded.model, given.inputs, kwargs=given.kwargs)
    lines = []
    if not console.quiet:
        lines.append(f"{loaded.identity.describe()} Shown: {given.description}.")
    lines.append(repr(verdict))
    facts = {
        "model": loaded.identity.name,
        "weights": loaded.identity.weights,
        "sha256": loaded.identity.sha256,
        "input": given.description,
        "status": verdict.status,
        "n_ops": verdict.n_ops,
        "n_replayed": verdict.n_replayed,
        "reasons": verdict.reasons.to_dict(orient="records"),
    }
    console.answer("\n".join(lines), facts)
    return REFUTED if verdict.status == "failed" else 0
