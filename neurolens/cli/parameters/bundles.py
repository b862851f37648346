"""Several options that belong together, as one argument of a subcommand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

Command = Callable[..., Any]


def bundle_options(
    name: str, make: Callable[..., Any], parameters: Sequence[click.Parameter]
) -> Callable[[Command], Command]:
    """Return a decorator that hands several parameters to a command as one argument.

    Parameters
    ----------
    name : str
        Of the argument.
    make : callable
        What is made of the values, which it takes by name.
    parameters : sequence of Parameter
        In the order in which help lists them.
    """
    names = [str(one.name) for one in parameters]

    def decorate(command: Command) -> Command:
        def run(*args: Any, **settings: Any) -> Any:
            chosen = {one: settings.pop(one) for one in names}
            return command(*args, **{name: make(**chosen)}, **settings)

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        # Click keeps parameters in this attribute, the last one first.
        before = getattr(command, "__click_params__", [])
        run.__click_params__ = [*before, *reversed(parameters)]  # type: ignore[attr-defined]
        return run

    return decorate


def list_given(names: Sequence[str]) -> list[str]:
    """Return those of the running command's options that the user typed, as they are typed."""
    context = click.get_current_context()
    typed = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    given = [name for name in names if context.get_parameter_source(name) in typed]
    return ["--" + name.replace("_", "-") for name in given]


def split_names(ctx: click.Context, parameter: click.Parameter, value: Any) -> list[str] | None:
    """Return names separated by commas, of an option that can be given several times."""
    names: list[str] = []
    for text in value or ():
        names += [name.strip() for name in text.split(",")]
    if "" in names:
        raise click.BadParameter("a name is empty; separate names by single commas")
    return names or None


def add_output(suffix: str) -> Callable[[Command], Command]:
    """Return a decorator that adds ``--output``, which must be given, and ``--overwrite``."""

    def decorate(command: Command) -> Command:
        command = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")(
            command
        )
        return click.option(
            "--output",
            "-o",
            required=True,
            metavar=f"FILE{suffix}",
            type=click.Path(path_type=Path),
            help="The file to write.",
        )(command)

    return decorate


add_seed = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0, max=2**32 - 1),
    metavar="N",
    help="Of everything random.",
)
