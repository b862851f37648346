"""The ``neurolens`` command."""

import argparse
import sys
from collections.abc import Sequence

from neurolens.datasets import describe_dataset, list_datasets
from neurolens.demo.analysis import run_demo
from neurolens.errors import NeuroLensError
from neurolens.support.versions import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit status: 0 done, 1 a NeuroLens error, 130 interrupted.
    """
    options = vars(build_parser().parse_args(arguments))
    run = options.pop("run")
    try:
        run(**options)
    except NeuroLensError as error:
        print(f"neurolens: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "neurolens: interrupted; nothing was left half-written, run the same command again",
            file=sys.stderr,
        )
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="neurolens",
        description=(
            "Which operation inside a network represents stimuli the way a brain region does?"
        ),
    )
    parser.add_argument("--version", action="version", version=f"neurolens {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="the main job, end to end, with pictures and a report")
    demo.add_argument(
        "--model", help="a torchvision classifier (default: squeezenet1_0; offline: resnet18)"
    )
    demo.add_argument("--weights", metavar="FILE", help="a local state dict for the model")
    demo.add_argument(
        "--output",
        default="demo_output",
        metavar="FOLDER",
        help="where to write (default: demo_output)",
    )
    demo.add_argument(
        "--offline", action="store_true", help="use the planted brain and random weights"
    )
    demo.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    demo.add_argument(
        "--quiet", action="store_true", help="print only what is used and what was found"
    )
    demo.set_defaults(run=run_demo)
    datasets = commands.add_parser(
        "datasets", help="list the data sets, their licences and what to cite"
    )
    datasets.set_defaults(run=_print_datasets)
    return parser


def _print_datasets() -> None:
    for key in list_datasets():
        card = describe_dataset(key)
        print(f"{key}: {card['title']}")
        print(f"  licence: {card['licence']}; terms: {card['terms'].strip()}")
        print(f"  tried on: {', '.join(dict.fromkeys(card['tried'].values()))}")
        print(f"  cite: {card['citation'].strip()}")
