"""The page of the command line: what `--help` prints for every command."""

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from neurolens.cli import app

WIDTH = 88
HEAD = """# Command line

`neurolens COMMAND --help` prints what stands here. Exit codes: 0 done, 1 an error that the message
tells, 2 a command line that cannot be read, 3 a check ran and its answer is no, 130 interrupted.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "commands.md", content=write_commands()))
    return files


def write_commands() -> str:
    """Write the help of the command line and of each command as Markdown."""
    parts = [HEAD, fence_help(app.root, "neurolens", None)]
    top = click.Context(app.root, info_name="neurolens")
    for name, entry in app.COMMANDS.items():
        command = app.root.get_command(top, name)
        parts += [f"## {name}", entry.help, fence_help(command, name, top)]
        if isinstance(command, click.Group):
            here = click.Context(command, info_name=name, parent=top)
            for below in command.list_commands(here):
                parts.append(f"### {name} {below}")
                parts.append(fence_help(command.get_command(here, below), below, here))
    return "\n\n".join(parts) + "\n"


def fence_help(command: click.Command, name: str, parent: click.Context | None) -> str:
    """Return what `--help` prints, between fences."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=WIDTH)
    context.terminal_width = WIDTH
    return f"```text\n{command.get_help(context)}\n```"
