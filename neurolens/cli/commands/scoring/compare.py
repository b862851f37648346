"""``neurolens compare``: RDMs of a model against those of a brain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurolens.cli.commands.scoring.answers import answer_scores, choose_best
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, hash_file, quote_path
from neurolens.cli.parameters.brains import BrainChoice, add_brain, load_brain, take_rdms
from neurolens.cli.parameters.bundles import add_output, add_seed, bundle_options
from neurolens.cli.parameters.networks import RANDOM
from neurolens.cli.parameters.results import SUFFIX, Result, open_result, save_result
from neurolens.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

METRIC = "correlation"


@dataclass(frozen=True)
class Comparison:
    """Settings of `compare_rdms` as they were asked for on the command line."""

    comparator: str
    by: str | None
    interval: str
    n_bootstrap: int
    n_splits: int
    confidence: float


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--comparator"],
        default="rho-a",
        show_default=True,
        help="rho-a, spearman, pearson, cosine, tau-a, whitened-pearson, whitened-cosine, bures.",
    ),
    click.Option(
        ["--by"], metavar="NAME", help="A coordinate of the stimuli whose groups stay together."
    ),
    click.Option(
        ["--interval"],
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "bootstrap", "influence"]),
        help="Intervals from draws that are scored, or from the influence of each stimulus; auto: "
        "from influences where they cover as well.",
    ),
    click.Option(
        ["--bootstrap", "n_bootstrap"],
        default=1000,
        show_default=True,
        type=click.IntRange(min=0),
        metavar="N",
        help="Draws of stimuli for intervals.",
    ),
    click.Option(
        ["--splits", "n_splits"],
        default=20,
        show_default=True,
        type=click.IntRange(min=0),
        metavar="N",
        help="Random halves of the stimuli for held-out scores.",
    ),
    click.Option(
        ["--confidence"],
        default=0.95,
        show_default=True,
        type=float,
        help="Level of the intervals.",
    ),
)


@click.command("compare")
@click.argument("rdms", type=click.Path(path_type=Path))
@add_brain()
@bundle_options("comparison", Comparison, OPTIONS)
@click.option(
    "--brain-metric", help="Make RDMs of the responses by this metric. Default: as the model's."
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="[LABEL=]FILE",
    help="RDMs of a control, such as the same model with random weights; may be repeated.",
)
@add_seed
@add_output(SUFFIX)
@add_console
def command(
    *,
    rdms: Path,
    brain: BrainChoice,
    comparison: Comparison,
    brain_metric: str | None,
    controls: tuple[str, ...],
    seed: int,
    output: Path,
    overwrite: bool,
    console: Console,
) -> None:
    r"""Compare the RDMs of a model's operations with those of a brain, and name the best.

    RDMS is a file of `neurolens rdms`. BRAIN is the key of a data set, a file of `neurolens rdms`,
    published RDMs (.csv, .npy, .mat, .h5), or responses with --events.

    \b
    Examples:
      neurolens compare rdms.nc planted --output scores.nc
      neurolens compare rdms.nc brain.nc --control untrained.nc --output controlled.nc
      neurolens compare rdms.nc brain.nc --comparator pearson --splits 40 --output pearson.nc
    """
    from neurolens.compare import compare_rdms

    read = [rdms, Path(str(brain.source)), *(split_label(one)[1] for one in controls)]
    check_target(output, overwrite=overwrite, suffixes=[SUFFIX], inputs=read)
    model = open_result(rdms).take("model RDMs")
    others = _open_controls(controls)
    data = load_brain(brain, quiet=console.hides_progress)
    default = str(model.data.attrs.get("metric", METRIC))
    brain_rdms = take_rdms(data, brain_metric, default=default, quiet=console.hides_progress)

    def compare(model_rdms: "xr.DataArray") -> "xr.Dataset":
        return compare_rdms(
            model_rdms,
            brain_rdms,
            comparator=comparison.comparator,
            by=comparison.by,
            interval=comparison.interval,
            n_bootstrap=comparison.n_bootstrap,
            n_splits=comparison.n_splits,
            confidence=comparison.confidence,
            rng=seed,
            quiet=console.hides_progress,
        )

    scores = compare(model.data)
    compared = {label: _score_control(one, compare) for label, one in others.items()}
    best = choose_best(scores, compared)
    origin = model.origin | {
        "rdms": {"path": str(rdms), "sha256": hash_file(rdms)},
        "brain": brain.describe(),
        "brain_metric": brain_metric,
    }
    save_result(output, scores, origin, compared)
    report = output.with_suffix(".html")
    advice = f"Next: neurolens report {quote_path(output)} --output {quote_path(report)}"
    answer_scores(console, output, scores, best, [advice])


def split_label(text: str) -> tuple[str | None, Path]:
    """Return the label and the file of [LABEL=]FILE; a file that is there is taken whole."""
    label, sign, file = text.partition("=")
    if not sign or Path(text).exists():
        return None, Path(text)
    return label, Path(file)


def _open_controls(given: Sequence[str]) -> dict[str, Result]:
    """Return the RDMs or scores of each control by its label."""
    controls: dict[str, Result] = {}
    for text in given:
        label, path = split_label(text)
        opened = open_result(path).take("model RDMs", "scores")
        name = label or _name_control(opened)
        if name in controls:
            raise InputError(
                f"two controls have the label {name!r}; pass --control LABEL=FILE for each"
            )
        controls[name] = opened
    return controls


def _name_control(opened: Result) -> str:
    """Return what a control is called: random weights, or the model's name, or the file's."""
    network: dict[str, Any] = opened.origin.get("network", {})
    if network.get("weights") == RANDOM:
        return "random weights"
    return str(network.get("model") or opened.path.stem)


def _score_control(
    control: Result, compare: "Callable[[xr.DataArray], xr.Dataset]"
) -> "xr.Dataset":
    return control.data if control.kind == "scores" else compare(control.data)
