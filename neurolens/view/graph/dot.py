"""The graph of a model as DOT text, with scores on its ops.

And the object that saves or shows it.
"""

from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import graphviz
import xarray as xr

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.view import style
from neurolens.view.annotation import Annotation, annotate_ops
from neurolens.view.graph.cards import build_card, build_legend, build_tooltip, write_font
from neurolens.view.graph.engines import render_dot
from neurolens.view.graph.layout import Layout, Node, lay_out, read_graph

SUFFIXES = (".svg", ".pdf", ".png", ".gv")
PLAIN_CONTAINERS = ("", "Sequential", "ModuleList", "ModuleDict")
GRAPH_STYLE = {
    "rankdir": "TB", "newrank": "true", "nodesep": "0.28", "ranksep": "0.17", "pad": "0.2", "splines": "true",
    "outputorder": "edgesfirst", "bgcolor": "transparent", "labelloc": "t", "labeljust": "l", "fontname": style.FONT,
    "tooltip": " ",
}  # fmt: skip
NODE_STYLE = {
    "shape": "box", "style": "filled", "fillcolor": style.CARD, "color": style.CARD_LINE, "penwidth": "0.8",
    "margin": "0", "width": "0", "height": "0", "fontname": style.FONT, "fontcolor": style.INK,
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
# Inches: without it the coloured cells would cover the inner half of a frame.
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
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(
                f"a drawing is saved as one of {', '.join(SUFFIXES)}, got {path.name!r}. "
                f"Write for example .save({str(path.with_suffix('.svg'))!r})."
            )
        data = self.source.encode() if suffix == ".gv" else render_dot(self.source, suffix[1:])
        return write_file(path, data, "the drawing")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.render_svg()}
        except (MissingToolError, DataError) as error:
            return {
                "text/plain": f"Drawing of {self.source.count('class=op')} boxes, not shown: {error}"
            }


def write_file(path: str | Path, data: bytes, what: str) -> Path:
    """Write ``data`` to ``path`` and return it; raise DataError.

    Saying ``what`` was to be written, when that fails.
    """
    path = Path(path)
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
    """Draw every op of a model, coloured by how much of each region's noise ceiling it reaches.

    The colour of a cell is ``score / ceiling_lower``, clamped to 0–1; the number in it is the raw
    mean score.

    Parameters
    ----------
    trace : Trace or Graph
    scores : Dataset, optional
        What ``compare_rdms`` or ``fit_encoding`` returned for this model. Ops without a score stay
        grey.
    best : Dataset, optional
        What ``assign_regions`` returned: best ops get a frame and a star, ops that cannot be told
        apart from the best of a region are underlined in its colour.
    title, subtitle : str, optional
        By default the model's name, and what the attributes of ``scores`` say about the method.
    depth : int, optional
        Fold modules this many levels below the model into one card each, counted from the first
        level that branches (wrappers that hold everything do not count). By default nothing is
        folded up to 160 boxes, and above that the deepest level giving at most 160.
    layout : str
        ``"columns"`` cuts the chain at module borders, ``"flow"`` leaves placing to Graphviz,
        ``"auto"`` takes columns unless more than a tenth of the arrows would jump over a border.

    Returns
    -------
    Drawing
        ``.save("graph.svg")``, also .pdf, .png and .gv; shows itself in a notebook.

    Raises
    ------
    InputError
        For an unknown layout, a depth below 1, a graph without ops, or ``best`` without ``scores``.
    LabelError
        When ``scores`` or ``best`` name ops that the graph lacks.
    """
    graph = read_graph(trace)
    if best is not None and scores is None:
        raise InputError(
            "best needs the scores it was chosen from: draw_graph(trace, scores=scores, best=best)."
        )
    annotation = (
        annotate_ops(scores, ops=list(graph.by_name), best=best) if scores is not None else None
    )
    plan = lay_out(graph, depth=depth, layout=layout)
    dot = graphviz.Digraph(
        "model", graph_attr=GRAPH_STYLE, node_attr=NODE_STYLE, edge_attr=EDGE_STYLE
    )
    # Long edges, not many nodes, are what make Graphviz slow; each becomes a chain of invisible
    # nodes.
    if len(plan.edges) > 600 or sum(edge.head - edge.tail for edge in plan.edges) > 5 * len(
        plan.nodes
    ):
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
    """Write boxes of column ``k`` that share ``level`` clusters.

    The deeper ones inside areas of this column's own.
    """
    for place, run in groupby(boxes, key=lambda i: (*plan.nodes[i].clusters, None)[level]):
        if place is not None:
            with dot.subgraph(name=f"cluster_{place}_{k}") as inner:
                inner.attr(**_style_cluster(plan, place, k))
                _write_boxes(inner, plan, annotation, k, list(run), level + 1)
            continue
        for i in run:
            group = {"group": f"c{k}"} if i in plan.spines[k] else {}
            dot.node(f"n{i}", **_style_node(plan.nodes[i], i, annotation), **group)


def _style_cluster(plan: Layout, place: int, k: int) -> dict[str, str]:
    cluster = plan.clusters[place]
    shade = min(cluster.depth, len(style.CLUSTER_FILLS) - 1)
    held = [
        n
        for n, column in enumerate(plan.columns)
        if any(place in plan.nodes[i].clusters for i in column)
    ]
    size, color = (11.0, style.INK) if cluster.depth == 0 else (8.5, style.MUTED)
    extra = "" if cluster.module_class in PLAIN_CONTAINERS else f"  {cluster.module_class}"
    extra += f"  {held.index(k) + 1}/{len(held)}" if len(held) > 1 else ""
    title = write_font(cluster.title, size, color, True) + (
        write_font(extra, 8.5, style.MUTED) if extra else ""
    )
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
    if annotation is not None:
        best = [region for op in node.ops for region in annotation.best.get(op.name, ())]
        framed = best or (annotation.ties.get(node.ops[0].name) if node.kind == "op" else None)
        if framed:
            color = annotation.colors[annotation.regions[framed[0]]]
            look |= {
                "color": color,
                "penwidth": "2.2" if best else "1.1",
                "margin": FRAME_MARGIN,
                "peripheries": "1",
            }
    return look


def _write_edges(dot: graphviz.Digraph, plan: Layout) -> None:
    column_of = {i: k for k, column in enumerate(plan.columns) for i in column}
    straight = {pair for spine in plan.spines for pair in pairwise(spine)}
    for edge in plan.edges:
        if not edge.wired:
            look = {"weight": "8" if (edge.tail, edge.head) in straight else "2"}
            free = {"constraint": "false"} if column_of[edge.tail] != column_of[edge.head] else {}
            dot.edge(
                f"n{edge.tail}",
                f"n{edge.head}",
                **(SHORTCUT_STYLE if edge.shortcut else look),
                **free,
            )


def _write_wires(dot: graphviz.Digraph, plan: Layout) -> None:
    """Lead each column's output down, through the gutter and up into the next, along invisible points.

    ``b`` and ``t`` are the points below and above a column, ``gb`` and ``gt`` the ends of the
    gutter after it.
    """
    last = len(plan.columns) - 1
    for rank, column_end, gutter_end in (("min", "t", "gt"), ("max", "b", "gb")):
        with dot.subgraph() as row:
            row.attr(rank=rank)
            for k in range(last + 1):
                row.node(f"{column_end}{k}", group=f"c{k}", **CORNER_STYLE)
                if k < last:
                    row.node(f"{gutter_end}{k}", group=f"u{k}", **CORNER_STYLE)
    for k, spine in enumerate(plan.spines):
        # Anchored by their longest path even where no tensor crosses, so that columns keep their
        # order.
        top = f"n{spine[0]}"
        bottom = f"n{spine[-1]}"
        entries = [
            edge for edge in plan.edges if edge.wired and k and edge.tail == plan.wires[k - 1]
        ]
        for edge in entries:
            look = {"penwidth": "1.6", "weight": "8"} if edge.head == spine[0] else {"weight": "1"}
            dot.edge(f"t{k}", f"n{edge.head}", **(SHORTCUT_STYLE if edge.shortcut else look))
        if spine[0] not in [edge.head for edge in entries]:
            dot.edge(f"t{k}", top, weight="8", **HIDDEN)
        if k == last:
            dot.edge(bottom, f"b{k}", weight="1", **HIDDEN)
            continue
        wire = HIDDEN if plan.wires[k] is None else WIRE_STYLE
        dot.edge(bottom, f"b{k}", weight="1", **wire)
        dot.edge(f"b{k}", f"gb{k}", weight="1", **wire)
        dot.edge(f"gt{k}", f"gb{k}", weight="20", **wire)
        dot.edge(f"gt{k}", f"t{k + 1}", weight="1", **wire)
        dot.edge(f"t{k}", f"gt{k}", **HIDDEN)
        dot.edge(f"gb{k}", f"b{k + 1}", **HIDDEN)
