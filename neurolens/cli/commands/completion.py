"""``neurolens completion``: names that a shell completes."""

import click
from click.shell_completion import get_completion_class

from neurolens.cli.console import Console, add_console

# Where each shell reads the script at its start.
INSTALL = {
    "bash": "neurolens completion bash --quiet > ~/.neurolens-complete.bash\n"
    "  echo '. ~/.neurolens-complete.bash' >> ~/.bashrc",
    "zsh": "neurolens completion zsh --quiet > ~/.neurolens-complete.zsh\n"
    "  echo '. ~/.neurolens-complete.zsh' >> ~/.zshrc",
    "fish": "neurolens completion fish --quiet > ~/.config/fish/completions/neurolens.fish",
}
PROGRAM = "neurolens"
VARIABLE = "_NEUROLENS_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(list(INSTALL)))
@add_console
@click.pass_context
def command(ctx: click.Context, *, shell: str, console: Console) -> None:
    r"""Print the script by which SHELL completes commands, options, models and data sets.

    How to install it stands in its first lines, which --quiet leaves out.

    \b
    Examples:
      neurolens completion bash
      neurolens completion zsh --quiet
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = kind(ctx.find_root().command, {}, PROGRAM, VARIABLE).source().strip()
    advice = f"To install it, run:\n  {INSTALL[shell]}\nThen open another terminal."
    comment = "\n".join(f"# {line}" for line in advice.splitlines())
    text = script if console.quiet else f"{comment}\n\n{script}"
    console.answer(text, {"shell": shell, "install": INSTALL[shell], "script": script})
