"""The graph of a model as DOT text with scores on its ops, which can be saved and displayed."""

import re
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import graphviz
import xarray as xr

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.scores import read_scores
from neurolens.view import style
from neurolens.view.annotation import Annotation, annotate_ops
from neurolens.view.graph.cards import build_card, build_legend, build_tooltip, write_font
from neurolens.view.graph.engines import render_dot
from neurolens.view.graph.layout import Layout, Node, lay_out, read_graph

SUFFIXES = (".svg", ".pdf", ".png", ".gv")
PLAIN_CONTAINERS = ("", "Sequential", "ModuleList", "ModuleDict")
GRAPH_STYLE = {
    "rankdir": "TB", "newrank": "true", "nodesep": "0.28", "ranksep": "0.17", "pad": "0.2",
    "splines": "true", "outputorder": "edgesfirst", "bgcolor": "transparent", "labelloc": "t",
    "labeljust": "l", "fontname": style.FONT, "tooltip": " ",
}  # fmt: skip
NODE_STYLE = {
    "shape": "box", "style": "filled", "fillcolor": style.CARD, "color": style.CARD_LINE,
    "penwidth": "0.8", "margin": "0", "width": "0", "height": "0", "fontname": style.FONT,
    "fontcolor": style.INK,
}  # fmt: skip
EDGE_STYLE = {"penwidth": "1.1", "arrowsize": "0.5", "color": style.EDGE}
END_STYLE = {
    "style": "rounded,filled",
    "color": style.FAINT,
    "height": "0.26",
    "margin": "0.11,0.02",
}
SHORTCUT_STYLE = {"weight": "0", "style": "dashed", "color": style.SHORTCUT}
WIRE_STYLE = {"arrowhead": "none", "penwidth": "1.6"}
HIDDEN = {"style": "invis"}
CORNER_STYLE = {"shape": "point", "width": "0.01", "style": "invis", "label": ""}
# In inches; without it the colored cells would cover the inner half of a frame.
FRAME_MARGIN = "0.012"


@dataclass(frozen=True)
class Drawing:
    """A drawn graph: DOT text that can be saved, and shows itself in a notebook.

    Attributes
    ----------
    source : str
        The DOT text.
    """

    source: str

    def render_svg(self) -> str:
        """Return the picture as SVG text that scales with its page.

        Raises
        ------
        MissingToolError
            When no Graphviz is installed.
        """
        return render_dot(self.source, "svg").decode()

    def save(self, path: str | Path) -> Path:
        """Write the picture to ``path``, in the format its suffix names, and return the path.

        Raises
        ------
        InputError
            For another suffix than .svg, .pdf, .png or .gv.
        MissingToolError
            When no Graphviz is installed; .gv (the DOT text) never needs one.
        DataError
            When the file cannot be written.
        """
        path = check_path(path, "a drawing", ".save('graph.svg')")
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(
                f"a drawing is saved as one of {', '.join(SUFFIXES)}, got {path.name!r}. "
                f"Write for example .save({str(path.with_suffix('.svg'))!r})."
            )
        data = self.source.encode() if suffix == ".gv" else render_dot(self.source, suffix[1:])
        return write_file(path, data, "the drawing")

    @property
    def n_boxes(self) -> int:
        """The number of boxes in the drawing."""
        return len(re.findall(r'class="\w+ box"', self.source))

    def __repr__(self) -> str:
        return f"<Drawing: {self.n_boxes} boxes; .save('graph.svg') writes it>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.render_svg()}
        except (MissingToolError, DataError) as error:
            return {"text/plain": f"{self!r} Not shown: {error}"}


def check_path(path: Any, what: str, example: str) -> Path:
    """Return a path; raise InputError when the user passed something else."""
    if not isinstance(path, str | Path):
        raise InputError(
            f"{what} is written to a path, a str or a Path, got {type(path).__name__}. Write for "
            f"example {example}."
        )
    return Path(path)


def write_file(path: Path, data: bytes, what: str) -> Path:
    """Write ``data`` to ``path`` and return the path; raise DataError when that fails.

    ``what`` names what was to be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DataError(
            f"{what} could not be written to {str(path)!r}: {error.strerror}. "
            "Give a path in an existing folder that you may write to."
        ) from None
    return path


def draw_graph(
    trace: Any,
    *,
    scores: xr.Dataset | None = None,
    best: xr.Dataset | None = None,
    title: str | None = None,
    subtitle: str | None = None,
    depth: int | None = None,
    layout: str = "auto",
) -> Drawing:
    """Draw every op of a model, colored by its score in each region.

    A cell has the color of ``score / ceiling_lower``, clamped to 0–1, when every region has a lower
    noise ceiling. When one has none, cells of all regions have the color of the raw score, from 0
    to the largest. Regions whose lower ceiling is 0 or less stay gray. The legend says which. The
    number in a cell is the raw mean score.

    Parameters
    ----------
    trace : Trace or Graph
    scores : Dataset, optional
        What ``compare_rdms`` or ``fit_encoding`` returned for this model. Ops without a score stay
        gray.
    best : Dataset, optional
        What ``assign_regions`` returned: best ops get a frame and a star with the held-out score;
        ops that cannot be told apart from the best of a region are underlined in its color.
    title, subtitle : str, optional
        By default the model's name, and what the attributes of ``scores`` say about the method.
    depth : int, optional
        Fold modules this many levels below the model into one card each, counted from the first
        level that branches (wrappers that hold everything do not count). By default nothing is
        folded up to 160 boxes, and above that the deepest level giving at most 160.
    layout : str
        ``"columns"`` cuts the chain at module borders, ``"flow"`` leaves the placement to Graphviz,
        ``"auto"`` takes columns unless more than a tenth of the arrows would jump over a border.

    Returns
    -------
    Drawing
        ``.save("graph.svg")``, also .pdf, .png and .gv; shows itself in a notebook.

    Raises
    ------
    InputError
        For an unknown layout, a depth below 1, a graph without ops, ``best`` without ``scores``, or
        scores that cannot be drawn.
    LabelError
        When ``scores`` or ``best`` name ops that the graph lacks.
    """
    graph = read_graph(trace)
    if best is not None and scores is None:
        raise InputError(
            "best needs the scores it was chosen from: draw_graph(trace, scores=scores, best=best)."
        )
    annotation = None
    if scores is not None:
        scores = read_scores(scores, "draw_graph")
        annotation = annotate_ops(scores, ops=list(graph.by_name), best=best)
    plan = lay_out(graph, depth=depth, layout=layout)
    dot = graphviz.Digraph(
        "model", graph_attr=GRAPH_STYLE, node_attr=NODE_STYLE, edge_attr=EDGE_STYLE
    )
    # Long edges, not many nodes, make Graphviz slow: each becomes a chain of invisible nodes.
    n_spanned = sum(edge.head - edge.tail for edge in plan.edges)
    if len(plan.edges) > 600 or n_spanned > 5 * len(plan.nodes):
        dot.attr(nslimit="0.5", nslimit1="0.5", mclimit="0.3")
    title = title if title is not None else getattr(trace, "model_name", "") or "model"
    dot.attr(label=f"<{build_legend(title, subtitle, annotation, plan)}>")
    if len(plan.columns) > 1:
        _write_wires(dot, plan)
    for k, column in enumerate(plan.columns):
        _write_boxes(dot, plan, annotation, k, column)
    _write_edges(dot, plan)
    return Drawing(dot.source)


def _write_boxes(
    dot: graphviz.Digraph,
    plan: Layout,
    annotation: Annotation | None,
    k: int,
    boxes: list[int],
    level: int = 0,
) -> None:
    """Write the boxes of column ``k``, those that share a cluster at ``level`` inside its area."""
    for cluster, run in groupby(boxes, key=lambda i: (*plan.nodes[i].clusters, None)[level]):
        if cluster is not None:
            with dot.subgraph(name=f"cluster_{cluster}_{k}") as inner:
                inner.attr(**_style_cluster(plan, cluster, k))
                _write_boxes(inner, plan, annotation, k, list(run), level + 1)
            continue
        for i in run:
            group = {"group": f"c{k}"} if i in plan.spines[k] else {}
            dot.node(f"n{i}", **_style_node(plan.nodes[i], i, annotation), **group)


def _style_cluster(plan: Layout, i: int, k: int) -> dict[str, str]:
    cluster = plan.clusters[i]
    shade = min(cluster.depth, len(style.CLUSTER_FILLS) - 1)
    size = 8.5 if cluster.depth else 11.0
    color = style.MUTED if cluster.depth else style.INK
    title = write_font(cluster.title, size, color, True)
    module_class = "" if cluster.module_class in PLAIN_CONTAINERS else cluster.module_class
    extra = "".join(f"  {text}" for text in (module_class, plan.parts[i, k]) if text)
    if extra:
        title += write_font(extra, 8.5, style.MUTED)
    return {
        "label": f"<{title}>",
        "style": "rounded,filled",
        "fillcolor": style.CLUSTER_FILLS[shade],
        "color": style.CLUSTER_LINES[shade],
        "penwidth": "0.8",
        "margin": "8",
        "tooltip": graphviz.escape(cluster.address),
    }


def _style_node(node: Node, i: int, annotation: Annotation | None) -> dict[str, str]:
    look = {
        "label": f"<{build_card(node, annotation)}>",
        "tooltip": graphviz.escape(build_tooltip(node, annotation)),
        "class": f"{node.kind} box",
        "id": f"op-{node.ops[0].index}" if node.kind == "op" else f"{node.kind}-{i}",
    }
    if node.kind in ("input", "output"):
        look |= END_STYLE
    if node.kind == "module":
        look["peripheries"] = "2"
    if annotation is not None and node.ops:
        look |= _style_frame(node, annotation)
    return look


def _style_frame(node: Node, annotation: Annotation) -> dict[str, str]:
    """Return a thick frame for a best op, a thin one for an op that cannot be told from one."""
    best = [region for op in node.ops for region in annotation.best.get(op.name, ())]
    ties = annotation.ties.get(node.ops[0].name, ()) if node.kind == "op" else ()
    framed = (*best, *ties)
    if not framed:
        return {}
    return {
        "color": annotation.colors[annotation.regions[framed[0]]],
        "penwidth": "2.2" if best else "1.1",
        "margin": FRAME_MARGIN,
        "peripheries": "1",
    }


def _write_edges(dot: graphviz.Digraph, plan: Layout) -> None:
    column_of = {i: k for k, column in enumerate(plan.columns) for i in column}
    straight = {pair for spine in plan.spines for pair in pairwise(spine)}
    for edge in plan.edges:
        if edge.wired:
            continue
        look = {"weight": "8" if (edge.tail, edge.head) in straight else "2"}
        if edge.shortcut:
            look = dict(SHORTCUT_STYLE)
        if column_of[edge.tail] != column_of[edge.head]:
            look["constraint"] = "false"
        dot.edge(f"n{edge.tail}", f"n{edge.head}", **look)


def _write_wires(dot: graphviz.Digraph, plan: Layout) -> None:
    """Draw each column's output down, through the gap and up to the next, by invisible points.

    ``b`` and ``t`` are the points below and above a column, ``gb`` and ``gt`` the ends of the gap
    after it.
    """
    _write_corners(dot, len(plan.columns))
    for k, spine in enumerate(plan.spines):
        _write_entries(dot, plan, k)
        # Columns are anchored by their longest path even where no tensor crosses, so that they keep
        # their order.
        is_last = k == len(plan.columns) - 1
        wire = HIDDEN if is_last or plan.wires[k] is None else WIRE_STYLE
        dot.edge(f"n{spine[-1]}", f"b{k}", weight="1", **wire)
        if is_last:
            continue
        dot.edge(f"b{k}", f"gb{k}", weight="1", **wire)
        dot.edge(f"gt{k}", f"gb{k}", weight="20", **wire)
        dot.edge(f"gt{k}", f"t{k + 1}", weight="1", **wire)
        dot.edge(f"t{k}", f"gt{k}", **HIDDEN)
        dot.edge(f"gb{k}", f"b{k + 1}", **HIDDEN)


def _write_corners(dot: graphviz.Digraph, n_columns: int) -> None:
    """Write the points of all columns, those above in one row and those below in another."""
    for rank, column_end, gap_end in (("min", "t", "gt"), ("max", "b", "gb")):
        with dot.subgraph() as row:
            row.attr(rank=rank)
            for k in range(n_columns):
                row.node(f"{column_end}{k}", group=f"c{k}", **CORNER_STYLE)
                if k < n_columns - 1:
                    row.node(f"{gap_end}{k}", group=f"u{k}", **CORNER_STYLE)


def _write_entries(dot: graphviz.Digraph, plan: Layout, k: int) -> None:
    """Draw the wire of the column before from the top of column ``k`` to the boxes that read it."""
    first = plan.spines[k][0]
    heads = []
    for edge in plan.edges:
        if not (k and edge.wired and edge.tail == plan.wires[k - 1]):
            continue
        heads.append(edge.head)
        look = {"penwidth": "1.6", "weight": "8"} if edge.head == first else {"weight": "1"}
        dot.edge(f"t{k}", f"n{edge.head}", **(SHORTCUT_STYLE if edge.shortcut else look))
    if first not in heads:
        dot.edge(f"t{k}", f"n{first}", weight="8", **HIDDEN)
