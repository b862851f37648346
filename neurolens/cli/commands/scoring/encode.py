"""``neurolens encode``: responses of neuroids, predicted from each operation."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from neurolens.cli.commands.scoring.answers import answer_scores, choose_best
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, quote_path
from neurolens.cli.parameters.brains import BrainChoice, add_brain, load_brain, take_responses
from neurolens.cli.parameters.bundles import add_output, add_seed, bundle_options
from neurolens.cli.parameters.results import SUFFIX, open_result, save_result


@dataclass(frozen=True)
class Encoding:
    """Settings of `fit_encoding` as they were asked for on the command line."""

    cv: str
    method: str
    metric: str
    select: str
    n_splits: int | None
    n_bootstrap: int
    confidence: float
    device: str

    def list_settings(self) -> dict[str, Any]:
        """Return the keyword arguments of `fit_encoding`."""
        folds: int | str = int(self.cv) if self.cv.isdecimal() else self.cv
        return asdict(self) | {"cv": folds}


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--cv"],
        default="5",
        show_default=True,
        metavar="N|NAME",
        help="Number of folds, or a coordinate whose groups are left out one by one.",
    ),
    click.Option(["--method"], default="ridge", show_default=True, help="ridge or pls."),
    click.Option(["--metric"], default="r", show_default=True, help="What the score is: r or r2."),
    click.Option(
        ["--select"], default="gcv", show_default=True, help="Of penalties: gcv, loo or folds."
    ),
    click.Option(
        ["--splits", "n_splits"],
        type=click.IntRange(min=0),
        metavar="N",
        help="Random halves of the stimuli for held-out scores and intervals.  [default: 5, or 0 "
        "for fewer than 6 stimuli in a fold]",
    ),
    click.Option(
        ["--bootstrap", "n_bootstrap"],
        default=1000,
        show_default=True,
        type=click.IntRange(min=0),
        metavar="N",
        help="Draws of the scores of halves.",
    ),
    click.Option(
        ["--confidence"],
        default=0.95,
        show_default=True,
        type=float,
        help="Level of the intervals.",
    ),
    click.Option(["--device"], default="cpu", show_default=True, help="cpu or cuda."),
)


@click.command("encode")
@click.argument("features", type=click.Path(path_type=Path))
@add_brain("RESPONSES")
@bundle_options("encoding", Encoding, OPTIONS)
@click.option(
    "--ceiling",
    is_flag=True,
    help="Noise ceilings and normalised scores, from repeats of the responses (ncsnr).",
)
@add_seed
@add_output(SUFFIX)
@add_console
def command(
    *,
    features: Path,
    brain: BrainChoice,
    encoding: Encoding,
    ceiling: bool,
    seed: int,
    output: Path,
    overwrite: bool,
    console: Console,
) -> None:
    r"""Predict the responses of each neuroid from every operation, with cross-validation.

    FEATURES is a file of `neurolens grams` or a store of `neurolens extract`. RESPONSES is the key
    of a data set, a .nc file of responses, or images, tables or arrays with --events.

    \b
    Examples:
      neurolens encode grams.nc planted --output encoding.nc
      neurolens encode acts.zarr planted --metric r2 --ceiling --output r2.nc
    """
    from neurolens.compare import compute_ncsnr, fit_encoding

    read = [features, Path(str(brain.source))]
    check_target(output, overwrite=overwrite, suffixes=[SUFFIX], inputs=read)
    opened = open_result(features).take("Grams", "activations")
    responses = take_responses(load_brain(brain, quiet=console.hides_progress))
    scores = fit_encoding(
        opened.data,
        responses,
        ceiling=compute_ncsnr(responses) if ceiling else None,
        rng=seed,
        quiet=console.hides_progress,
        **encoding.list_settings(),
    )
    best = choose_best(scores, {})
    save_result(output, scores, opened.origin | {"brain": brain.describe()})
    report = output.with_suffix(".html")
    advice = f"Next: neurolens report {quote_path(output)} --output {quote_path(report)}"
    answer_scores(console, output, scores, best, [advice])
