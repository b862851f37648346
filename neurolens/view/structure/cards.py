"""Cards as data: what stands on the card of a node or of a folded run, free of how it is drawn."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurolens.extract.graph.ops import Costs, HostRead
from neurolens.view.annotation import LEVEL, Annotation
from neurolens.view.structure.records import Node, Run, Structure
from neurolens.view.style import format_cell, format_interval, format_score, shorten_text

MOST_STRIPS = 40
MOST_ROWS = 12
# With this many digits a label has no room for a star.
FIRST_LONG_STEP = 100
LONGEST_LABEL = 20
LONGEST_NAME = 28
LONGEST_REGION = 18
LONGEST_VALUE = 12
MOST_VALUES = 3
PASS = re.compile(r"@\d+$")


@dataclass(frozen=True, slots=True)
class Cell:
    """The score of one op in one region.

    Attributes
    ----------
    value : float
        NaN for an op without a score.
    share : float
        Of the color scale, unclamped.
    text : str
        ``".38"``, in parentheses where q is above `LEVEL`, ``"–"`` without a score. A number that
        is too long for a cell has fewer digits.
    long_text : str
        With the interval: ``".38 [.30, .45]"``.
    """

    value: float
    share: float
    text: str
    long_text: str

    @property
    def has_color(self) -> bool:
        """Whether there is a score."""
        return not math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one pass, a cell per region.

    ``label`` is the time step, ``"t2"``; with a star where the pass is the best op of a region.
    """

    op: str
    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    """Says of which region an op of the card is the best, with its score on held-out stimuli.

    ``region`` is a position in ``Card.regions``; ``short`` stands where ``text`` finds no room.
    """

    region: int
    op: str
    text: str
    short: str


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on a card.

    Attributes
    ----------
    kind : str
        ``"input"``, ``"op"``, ``"output"``, or ``"module"`` for a folded run.
    name, label, shape : str
        As written; the label of an input or output is its shape.
    n_ops : int
        Passes of a node, or ops of a folded run.
    regions : tuple of str
        The regions of all cells, in order; none without scores.
    rows : tuple of Row
        One per pass; some of them, as `pick_passes` chooses, of more than `MOST_ROWS`; a single one
        where no pass has a score. None on a folded run.
    strip : tuple of tuple of float
        On a folded run, for each region the share of each op in order of execution, or of the
        best of several ops that follow each other where there are more than `MOST_STRIPS`.
    tags : tuple of Tag
    ties : tuple of int
        Regions (by position) whose best op cannot be told apart from one of this card.
    marks : tuple of str
        What Python did with values of this card: ``"chose the path: True"``.
    generated : bool
        Whether no input reaches it.
    full_name : str
        The op, its first pass, or the address of the module.
    n_parameters, flops : int or None
        Parameters that its ops use, those of a layer that runs several times once, and
        floating-point operations of all passes in matrix products, convolutions and attention;
        None where unknown.
    """

    kind: str
    name: str
    label: str
    shape: str
    n_ops: int
    regions: tuple[str, ...]
    rows: tuple[Row, ...]
    strip: tuple[tuple[float, ...], ...]
    tags: tuple[Tag, ...]
    ties: tuple[int, ...]
    marks: tuple[str, ...]
    generated: bool
    full_name: str
    n_parameters: int | None = None
    flops: int | None = None


def build_card(
    structure: Structure,
    shown: Node | Run,
    annotation: Annotation | None = None,
    costs: Costs | None = None,
) -> Card:
    """Return the card of a node, or of a run that is folded.

    Parameters
    ----------
    structure : Structure
    shown : Node or Run
        One of ``structure``.
    annotation : Annotation, optional
        Scores; its regions, in its order, are those of the card.
    costs : dict of op name to (n_parameters, flops or None), optional
        As ``Trace.count_costs`` returns them.
    """
    if isinstance(shown, Run):
        return _build_folded(structure, shown, annotation, costs or {})
    if shown.kind != "op":
        return _build_end(shown)
    return Card(
        kind="op",
        name=shorten_text(shown.name, LONGEST_NAME),
        label=shorten_text(shown.label, LONGEST_LABEL),
        shape=_write_shape(shown),
        n_ops=len(shown.ops),
        regions=annotation.regions if annotation is not None else (),
        rows=_build_rows(shown, annotation) if annotation is not None else (),
        strip=(),
        tags=_build_tags(shown.ops, annotation),
        ties=_find_ties(shown.ops, annotation),
        marks=write_marks(shown.reads),
        generated=shown.generated,
        full_name=shown.ops[0],
        n_parameters=_count_parameters(shown.ops, costs or {}),
        flops=_count_flops(shown.ops, costs or {}),
    )


def _build_end(node: Node) -> Card:
    """Return the card of an input or of the output."""
    return Card(
        kind=node.kind,
        name=shorten_text(node.name, LONGEST_NAME),
        label=node.label or node.shape,
        shape=node.shape,
        n_ops=0,
        regions=(),
        rows=(),
        strip=(),
        tags=(),
        ties=(),
        marks=write_marks(node.reads),
        generated=False,
        full_name=node.name,
    )


def _build_folded(
    structure: Structure, run: Run, annotation: Annotation | None, costs: Costs
) -> Card:
    nodes = structure.nodes[run.first : run.last + 1]
    ops = [name for node in nodes for name in node.ops]
    reads = [read for node in nodes for read in node.reads]
    return Card(
        kind="module",
        name=" ".join(part for part in (run.title, run.part) if part),
        label=run.module_class,
        shape="",
        n_ops=len(ops),
        regions=annotation.regions if annotation is not None else (),
        rows=(),
        strip=_build_strip(ops, annotation) if annotation is not None else (),
        tags=_build_tags(ops, annotation),
        ties=_find_ties(ops, annotation),
        marks=write_marks(reads),
        generated=all(node.generated for node in nodes),
        full_name=run.address,
        n_parameters=_count_parameters(ops, costs),
        flops=_count_flops(ops, costs),
    )


def write_marks(reads: Sequence[HostRead]) -> tuple[str, ...]:
    """Return what Python did with values, one line for truth values and one for all others."""
    chose = [read.value for read in reads if read.function == "__bool__"]
    others = [read for read in reads if read.function != "__bool__"]
    marks = []
    if chose:
        marks.append(f"chose the path: {_list_values(chose)}")
    if others:
        functions = ", ".join(dict.fromkeys(f"{read.function}()" for read in others))
        marks.append(f"read by {functions}: {_list_values([read.value for read in others])}")
    return tuple(marks)


def pick_passes(n_passes: int, best: Sequence[int]) -> list[int]:
    """Return the passes that get a row: all, or evenly spaced ones and those that are best ops.

    Examples
    --------
    >>> pick_passes(4, [1]), pick_passes(100, [50])
    ([0, 1, 2, 3], [0, 9, 18, 27, 36, 45, 50, 54, 63, 72, 81, 90, 99])
    """
    if n_passes <= MOST_ROWS:
        return list(range(n_passes))
    even = [k * (n_passes - 1) // (MOST_ROWS - 1) for k in range(MOST_ROWS)]
    return sorted({*even, *best})


def _count_parameters(ops: Sequence[str], costs: Costs) -> int | None:
    """Return the parameters of ``ops``, those of several executions of one op once."""
    counts = {PASS.sub("", op): costs[op][0] for op in ops if op in costs}
    return sum(counts.values()) if counts else None


def _count_flops(ops: Sequence[str], costs: Costs) -> int | None:
    """Return the floating-point operations of ``ops``, None where those of one are unknown."""
    total = 0
    for op in ops:
        flops = costs[op][1] if op in costs else None
        if flops is None:
            return None
        total += flops
    return total


def _list_values(values: Sequence[str]) -> str:
    """Return different values in order of reading, each shortened."""
    unique = list(dict.fromkeys(_write_value(value) for value in values))
    rest = ", …" if len(unique) > MOST_VALUES else ""
    return ", ".join(unique[:MOST_VALUES]) + rest


def _write_value(value: str) -> str:
    """Return a value as briefly as it can be read."""
    if len(value) <= LONGEST_VALUE:
        return value
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return shorten_text(value, LONGEST_VALUE)


def _write_shape(node: Node) -> str:
    more = f" +{node.n_outputs - 1}" if node.n_outputs > 1 else ""
    return node.shape + more


def _build_rows(node: Node, annotation: Annotation) -> tuple[Row, ...]:
    has_scores = any(np.isfinite(annotation.get_means(op)).any() for op in node.ops)
    best = [i for i, op in enumerate(node.ops) if op in annotation.best]
    rows = []
    for i in pick_passes(len(node.ops), best) if has_scores else [0]:
        op = node.ops[i]
        step = node.steps[i]
        star = "★" if i in best and step < FIRST_LONG_STEP else ""
        rows.append(Row(op, f"t{step}{star}", _build_cells(op, annotation)))
    return tuple(rows)


def _build_cells(op: str, annotation: Annotation) -> tuple[Cell, ...]:
    lows, highs = annotation.get_intervals(op)
    columns = (annotation.get_means(op), annotation.get_shares(op), annotation.get_qs(op))
    cells = []
    for value, share, q, low, high in zip(*columns, lows, highs, strict=True):
        text = format_cell(value)
        long_text = format_score(value) + format_interval(low, high)
        if q > LEVEL:
            text = f"({text})"
            long_text = f"({long_text})"
        cells.append(Cell(float(value), float(share), text, long_text))
    return tuple(cells)


def _build_strip(ops: Sequence[str], annotation: Annotation) -> tuple[tuple[float, ...], ...]:
    """Return the shares (region, cell); where ops share a cell, that of the best."""
    shares = np.array([annotation.get_shares(op) for op in ops])  # (op, region)
    parts = np.array_split(shares, min(len(ops), MOST_STRIPS))
    tops = np.array([np.fmax.reduce(part) for part in parts])  # (cell, region)
    return tuple(tuple(row) for row in tops.T.tolist())


def _build_tags(ops: Sequence[str], annotation: Annotation | None) -> tuple[Tag, ...]:
    if annotation is None:
        return ()
    tags = []
    for op in ops:
        for i in annotation.best.get(op, ()):
            region = shorten_text(annotation.regions[i], LONGEST_REGION)
            score = format_score(annotation.heldout[i])
            doubt = " (in doubt)" if annotation.doubtful[i] else ""
            text = f"★ best {region}, held-out {score}{doubt}"
            short = f"★ {region} {score}{doubt}" if doubt else f"★ {region} {score} held-out"
            tags.append(Tag(i, op, text, short))
    return tuple(sorted(tags, key=lambda tag: tag.region))


def _find_ties(ops: Sequence[str], annotation: Annotation | None) -> tuple[int, ...]:
    """Return the regions whose best op, which is none of ``ops``, is tied with one of them."""
    if annotation is None:
        return ()
    chosen = {i for op in ops for i in annotation.best.get(op, ())}
    tied = {i for op in ops for i in annotation.ties.get(op, ())}
    return tuple(sorted(tied - chosen))
