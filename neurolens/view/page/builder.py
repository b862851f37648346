"""Joins the parts of the page into one HTML file that needs nothing else."""

import html
import json
import posixpath
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from neurolens.view.page.plain import write_plain
from neurolens.view.style import THEMES, Theme

ENTRY = "main.js"
STYLES = (
    "base", "head", "controls", "stage", "graph", "profile", "details", "report", "brain", "narrow",
    "print",
)  # fmt: skip
IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?function\*? (\w+)|const (\w+)|class (\w+))", re.MULTILINE
)
COMMENT = re.compile(r"^\s*(?:/\*\*?.*?\*/|//[^\n]*)\s*$", re.MULTILINE | re.DOTALL)
TEXT = re.compile(r'("(?:\\.|[^"\\])*"|`[^`$]*(?:\$\{[^`}]*\}[^`$]*)*`)')
SPACES = re.compile(r" *([=<>?:,;{}()&|*\[\]]) *")
SUMS = re.compile(r"(?<=[\w)\]]) ([+-]) (?=[\w(\[])")
REMARK = re.compile(r"(?<=[;,]) // [^\"'`]*$")
BREAKS = re.compile(r"(?<=[{(\[,])\n|\n(?=[})\]])")
STYLE_SPACES = re.compile(r" *([{};]) *|(?<=:) ")
UNSURE = frozenset("'\"`/")
SLOT = re.compile(r"\{\{(\w+)\}\}")


def build_page(document: Mapping[str, Any], *, title: str | None = None) -> str:
    """Return the page of a document as one HTML text.

    It shows itself from a file, in a frame of a notebook and without a network: everything is
    inside, and its content security policy forbids fetching anything.

    Parameters
    ----------
    document : dict
        The JSON of the page, schema 2; numbers that are not finite must be None.
    title : str, optional
        Title of the page, that of ``document`` if not given.

    Raises
    ------
    ValueError
        When ``document`` holds NaN or infinity, which JSON cannot.
    """
    shown = dict(document)
    if title is not None:
        shown["title"] = title
    ramps = {"ramps": {name: list(theme.ramp) for name, theme in THEMES.items()}}
    parts = {
        "title": html.escape(str(shown.get("title", "NeuroLens"))),
        "css": _write_themes() + _write_regions(shown) + _read_styles(),
        "themes": write_json(ramps),
        "data": write_json(shown),
        "script": join_modules(ENTRY),
        "plain": write_plain(shown),
    }
    # One pass: text of the document that looks like a slot stays as it is.
    return SLOT.sub(lambda match: parts[match[1]], _read_asset("page.html"))


def write_json(value: Any) -> str:
    """Write JSON that can stand inside a script: ``<`` is escaped, so nothing can end it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def join_modules(entry: str) -> str:
    """Join a module and all it imports into one script, each after those it needs.

    Every module becomes a function that returns its exports, so names of one never meet those of
    another.
    """
    order: list[str] = []
    _visit_module(entry, order, [])
    return "\n".join(_wrap_module(path) for path in order)


def _visit_module(path: str, order: list[str], around: list[str]) -> None:
    """Append a module to ``order`` after those that it imports."""
    if path in order:
        return
    if path in around:
        raise ImportError(f"circle of modules: {' -> '.join([*around, path])}")
    for match in IMPORT.finditer(_read_asset(path)):
        _visit_module(_resolve(path, match[2]), order, [*around, path])
    order.append(path)


def _wrap_module(path: str) -> str:
    """Write a module as a function that is called at once."""
    text = _read_asset(path)
    names = [next(filter(None, match.groups())) for match in EXPORT.finditer(text)]

    def write_import(match: re.Match[str]) -> str:
        wanted = " ".join(match[1].split())
        return f"const {{ {wanted} }} = {_name_module(_resolve(path, match[2]))};\n"

    body = EXPORT.sub("", IMPORT.sub(write_import, text))
    if re.search(r"^(import|export)\b", body, re.MULTILINE):
        raise ImportError(
            f"{path}: write imports as import {{ a }} from './b.js', one export a name"
        )
    exports = f"return {{ {', '.join(names)} }};\n" if names else ""
    return f"const {_name_module(path)} = (() => {{\n{_shorten(body)}\n{exports}}})();"


def _shorten(script: str) -> str:
    """Drop comments, indentation, spaces beside signs, and breaks of lines in brackets."""
    lines = (line.strip() for line in COMMENT.sub("", script).splitlines())
    return BREAKS.sub("", "\n".join(_shorten_line(line) for line in lines if line))


def _shorten_line(line: str) -> str:
    """Drop spaces beside signs, unless they may be part of a text or a pattern."""
    line = REMARK.sub("", line)
    parts = TEXT.split(line)  # code, text, code, text, ...
    if line.count("`") > 2 or any(
        not UNSURE.isdisjoint(code.replace(" / ", "")) for code in parts[::2]
    ):
        return line
    parts[::2] = [SPACES.sub(r"\1", SUMS.sub(r"\1", code)) for code in parts[::2]]
    return "".join(parts)


def _name_module(path: str) -> str:
    return "in_" + re.sub(r"\W", "_", path.removesuffix(".js"))


def _resolve(path: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))


@cache
def _read_asset(path: str) -> str:
    asset: Traversable = files("neurolens.view.page") / "assets"
    for part in path.split("/"):
        asset = asset / part
    return asset.read_text(encoding="utf-8")


@cache
def _read_styles() -> str:
    return "".join(_shorten_style(_read_asset(f"style/{name}.css")) for name in STYLES)


def _shorten_style(style: str) -> str:
    """Drop indentation; the comments that frame the graph's rules are read by the page."""
    lines = (line.strip() for line in style.splitlines())
    return "\n".join(STYLE_SPACES.sub(r"\1", line) for line in lines) + "\n"


@cache
def _write_themes() -> str:
    """Write the colors of the themes as variables of CSS."""
    return "".join(
        f":root{'[data-theme=dark]' if theme.is_dark else ''} {{ {_write_variables(theme)} }}\n"
        for theme in THEMES.values()
    )


def _write_variables(theme: Theme) -> str:
    colors = {
        "page": theme.page,
        "card": theme.card,
        "sunk": theme.sunk,
        "ink": theme.ink,
        "soft": theme.soft,
        "accent": theme.accent,
        "card-line": theme.card_line,
        "none": theme.empty,
        "area0": theme.areas[0],
        "area1": theme.areas[1],
        "area2": theme.areas[2],
        "area-line": theme.area_lines[0],
        "edge": theme.arrow,
        "edge-soft": theme.shortcut,
        "ceiling": theme.ceiling,
    }
    return " ".join(f"--{name}: {color};" for name, color in colors.items())


def _write_regions(document: Mapping[str, Any]) -> str:
    """Write the colors of the regions, by position: their names never reach the CSS."""
    rules = []
    for number, region in enumerate(document.get("regions") or ()):
        for scope, color in zip((":root", ":root[data-theme=dark]"), region["colors"], strict=True):
            if not re.fullmatch(r"#[0-9A-Fa-f]{6}", color):
                raise ValueError(f"expected a color as #RRGGBB for a region, got {color!r}")
            rules.append(
                f"{scope} .region-{number} {{ color: {color}; fill: {color}; }} "
                f"{scope} .fill-{number} {{ fill: {color}; }} "
                f"{scope} .stroke-{number} {{ stroke: {color}; }}\n"
            )
    return "".join(rules)
