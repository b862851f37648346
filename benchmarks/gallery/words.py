"""The page of the gallery."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAD = """# Gallery

Written by `make gallery`. Each picture is what `nl.draw_graph(trace, scores=scores, best=best)` draws by default, made 1,400 pixels wide;
scores are those of every operation against human IT and early visual cortex (EVA) for the 92 photographs of
Kriegeskorte et al. (2008), by rho-a. Only SqueezeNet is trained; the others have random weights, so their scores say
what an architecture does before it has learned anything. Networks that see no photographs have no scores. Pictures
named `page`, `notebook`, `slide` and `phone` are the interactive page (`.save("page.html")`) in windows of these kinds.
"""


def write_page(rows: Sequence[Any], machine: str, folder: Path) -> str:
    """Return the page as Markdown."""
    lines = [
        HEAD,
        *_write_table(rows),
        "",
        f"Seconds: to lay out and write the SVG, on {machine}.",
        "",
    ]
    for row in rows:
        lines.append(f"## {row.entry.name}")
        lines.append("")
        for name in row.files:
            lines += [f"![{_describe(row.entry.name, name)}]({name})", ""]
    notes = folder / "notes.md"
    if notes.exists():
        lines.append(notes.read_text())
    return "\n".join(lines).rstrip() + "\n"


def _write_table(rows: Sequence[Any]) -> list[str]:
    lines = [
        "| network | weights | ops | boxes | shortcuts left out | best for IT, held out | best for EVA, held out | seconds |",
        "|---|---|---:|---:|---:|---|---|---:|",
    ]
    for row in rows:
        best = [_write_best(row.results, region) for region in ("IT", "EVA")]
        cells = [
            row.entry.name, row.entry.weights, row.n_ops, row.n_boxes, row.n_left_out, *best,
            f"{row.seconds:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _write_best(results: Any, region: str) -> str:
    if results is None:
        return "–"
    row = results.best.sel(region=region)
    doubt = " (in doubt)" if row.doubtful.item() else ""
    return f"`{row.best_op.item()}` {row.heldout_mean.item():.2f}{doubt}"


def _describe(name: str, file: str) -> str:
    kind = file.removeprefix(name).removesuffix(".png").strip("_").replace("_", " ")
    return f"{name}, {kind}" if kind else name
