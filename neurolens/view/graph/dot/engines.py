"""Programs that turn DOT text into pictures: ``dot`` on the PATH, else the pygraphviz package."""

import importlib.util
import re
import shutil
import subprocess
import sys
from functools import lru_cache

from neurolens.errors import DataError, MissingToolError
from neurolens.view.style import FONT, FONT_STACK

TIMEOUT = 120
PNG_DPI = 160
NO_ENGINE = (
    'layout="flow" needs Graphviz, and neither the program `dot` nor the package pygraphviz was '
    'found. Leave layout out: the default, layout="columns", needs no program. Or install the '
    "system package graphviz, or run: pip install pygraphviz."
)
# Run in a child process, so that a crash in C or an endless layout does not end this one; given as
# text, so that the child need not import anything else.
CHILD = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())\n"
    "sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog='dot', args=sys.argv[2]))\n"
)


def find_engine(fmt: str) -> list[str]:
    """Return the command that reads DOT and writes a picture, or raise MissingToolError."""
    extra = f"-Gdpi={PNG_DPI}" if fmt == "png" else ""
    program = shutil.which("dot")
    if program:
        return [program, f"-T{fmt}", *extra.split()]
    if importlib.util.find_spec("pygraphviz"):
        return [sys.executable, "-c", CHILD, fmt, extra]
    raise MissingToolError(NO_ENGINE, anchor="graphviz-not-found")


@lru_cache(maxsize=8)
def render_dot(source: str, fmt: str) -> bytes:
    """Return the picture of DOT text as ``"svg"``, ``"pdf"`` or ``"png"``; raise DataError."""
    command = find_engine(fmt)
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"Graphviz did not finish within {TIMEOUT} s. Leave layout out: the default, "
            'layout="columns", takes a second at most. Or draw fewer boxes, with fold=1.',
            anchor="graphviz-not-found",
        ) from None
    if done.returncode or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it gave no reason"
        raise DataError(
            f"Graphviz could not draw this graph: {reason}. Save it with .save('graph.gv') and run "
            f"`dot -T{fmt} graph.gv` to see more, or draw fewer boxes with fold=1.",
            anchor="graphviz-not-found",
        )
    return fit_svg(done.stdout.decode()).encode() if fmt == "svg" else done.stdout


def fit_svg(svg: str) -> str:
    """Let an SVG shrink with its page, and name fonts that other machines have.

    The fonts are named only now because Graphviz measures text by the first family it is given.
    Spaces at the start of a text are made non-breaking, because browsers drop leading spaces, and
    the words before and after would touch.
    """
    svg = svg[svg.index("<svg") :]
    size = r'<svg width="([\d.]+)pt" height="[\d.]+pt"'
    svg = re.sub(size, r'<svg width="100%" style="max-width:\1pt;height:auto"', svg, count=1)
    svg = re.sub(r"(<text[^>]*>) ", "\\1\u00a0", svg)
    return svg.replace(f'font-family="{FONT}"', f'font-family="{FONT_STACK}"')
