"""``neurolens rdms``: dissimilarity of every pair of stimuli."""

from pathlib import Path
from typing import Any

import click

from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, quote_path
from neurolens.cli.parameters.brains import BrainChoice, add_brain, load_brain, take_rdms
from neurolens.cli.parameters.bundles import add_output
from neurolens.cli.parameters.results import SUFFIX, Result, is_saved, open_result, save_result

METRIC = "correlation"
# Dissimilarities that need several features for each stimulus.
NEEDS_FEATURES = ("correlation",)


@click.command("rdms")
@add_brain("SOURCE")
@click.option(
    "--metric",
    help=f"correlation, cosine, euclidean, mahalanobis or crossnobis. Default: {METRIC}; RDMs of a "
    "data set stay as they were published.",
)
@add_output(SUFFIX)
@add_console
def command(
    *, brain: BrainChoice, metric: str | None, output: Path, overwrite: bool, console: Console
) -> None:
    r"""Write the RDMs of SOURCE: Grams, activations, responses, or a data set.

    SOURCE is a file of `neurolens grams`, a store of `neurolens extract`, the key of a data set, a
    file of published RDMs, or a file of responses with --events.

    \b
    Examples:
      neurolens rdms grams.nc --output rdms.nc
      neurolens rdms acts.zarr --metric euclidean --output euclidean.nc
      neurolens rdms planted --output brain.nc
    """
    source = Path(str(brain.source))
    check_target(output, overwrite=overwrite, suffixes=[SUFFIX], inputs=[source])
    origin: dict[str, Any] = {}
    left_out: list[str] = []
    if is_saved(source):
        opened = open_result(source).take("Grams", "activations", "responses")
        rdms, left_out = _compute_saved(opened, metric or METRIC, quiet=console.hides_progress)
        origin = opened.origin
    else:
        data = load_brain(brain, quiet=console.hides_progress)
        rdms = take_rdms(data, metric, default=METRIC, quiet=console.hides_progress)
        origin = {"brain": brain.describe()}
    save_result(output, rdms.rename("rdm"), origin)
    sizes = {str(dim): size for dim, size in rdms.sizes.items()}
    n_stimuli = sizes.pop("stimulus_2")
    sizes.pop("stimulus")
    counted = " x ".join(f"{size} {dim}s" for dim, size in sizes.items()) or "1"
    how = rdms.attrs.get("metric", "as published")
    lines = [f"{output}: RDMs ({how}) of {n_stimuli} stimuli: {counted}"]
    if left_out and not console.quiet:
        lines.append(
            f"{len(left_out)} operations give a single number for each stimulus, which has no "
            "correlation distance, and are left out"
        )
    if "op" in sizes and not console.quiet:
        lines.append(f"Next: neurolens compare {quote_path(output)} BRAIN --output scores.nc")
    facts = {
        "output": output,
        "metric": how,
        "n_stimuli": n_stimuli,
        "sizes": sizes,
        "left_out": left_out,
    }
    console.answer("\n".join(lines), facts)


def _compute_saved(opened: Result, metric: str, *, quiet: bool) -> tuple[Any, list[str]]:
    """Return the RDMs of what a file holds, and the ops that have none."""
    from neurolens.compare import compute_rdms
    from neurolens.errors import InputError

    data = opened.data
    left_out: list[str] = []
    if opened.kind == "Grams" and metric in NEEDS_FEATURES:
        single = (data["n_features"] <= 1).values
        left_out = [str(name) for name in data["op"].values[single]]
        if single.all():
            raise InputError(
                f"all operations in {str(opened.path)!r} give a single number for each stimulus, "
                "which has no correlation distance; pass --metric euclidean"
            )
        data = data.isel(op=~single)
    return compute_rdms(data, metric=metric, quiet=quiet), left_out
