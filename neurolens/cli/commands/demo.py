"""``neurolens demo``: the main job, end to end."""

import click

from neurolens.cli.console import Console, add_console


@click.command("demo")
@click.option(
    "--model", help="A torchvision classifier (default: squeezenet1_0; offline: resnet18)."
)
@click.option("--weights", metavar="FILE", help="A local state dict for the model.")
@click.option(
    "--output",
    default="demo_output",
    show_default=True,
    metavar="FOLDER",
    help="Where to write.",
)
@click.option("--offline", is_flag=True, help="Use the planted brain and random weights.")
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@add_console
def command(
    *,
    console: Console,
    model: str | None,
    weights: str | None,
    output: str,
    offline: bool,
    seed: int,
) -> None:
    r"""Compare every operation of a network with brain regions, and write a report.

    With the data of Kriegeskorte et al. (2008) where they can be had, and a planted brain whose
    right answer is known where they cannot.

    \b
    Examples:
      neurolens demo
      neurolens demo --model squeezenet1_0 --weights my_squeezenet.pth
      neurolens demo --offline --output planted
    """
    from neurolens.cli.demo import run_demo

    findings = run_demo(
        output=output,
        model=model,
        weights=weights,
        offline=offline,
        seed=seed,
        quiet=console.quiet or console.as_json,
    )
    if console.as_json:
        rows = findings.best
        facts = {
            "output": output,
            "verdict": findings.verdict.status,
            "best_ops": dict(zip(rows["region"].values, rows["best_op"].values, strict=True)),
            "heldout": dict(zip(rows["region"].values, rows["heldout_mean"].values, strict=True)),
        }
        console.answer("", facts)
