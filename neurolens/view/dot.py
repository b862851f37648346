"""The graph of a model as DOT text, with scores on its ops, and the object that saves or shows it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import graphviz
import xarray as xr

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.view.annotation import Annotation, annotate_ops
from neurolens.view.cards import build_card, build_legend, build_tooltip, write_font
from neurolens.view.engines import render_dot
from neurolens.view.layout import Cluster, Layout, lay_out, read_graph
from neurolens.view.style import (
    CARD,
    CARD_LINE,
    CLUSTER_FILLS,
    CLUSTER_LINES,
    EDGE,
    FAINT,
    FONT,
    INK,
    MUTED,
    SHORTCUT,
    assign_region_colors,
)

SUFFIXES = (".svg", ".pdf", ".png", ".gv")
# Inches: without it the coloured cells would cover the inner half of a frame.
FRAME_MARGIN = "0.012"
PLAIN_CONTAINERS = ("", "Sequential", "ModuleList", "ModuleDict")


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
        try:
            path.write_bytes(data)
        except OSError as error:
            raise DataError(
                f"the drawing could not be written to {str(path)!r}: {error.strerror}. "
                "Give a path in an existing folder that you may write to."
            ) from None
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.render_svg()}
        except (MissingToolError, DataError) as error:
            return {"text/plain": f"Drawing of {self.source.count('class=op')} boxes, not shown: {error}"}


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

    The colour of a cell is ``score / ceiling_lower``, clamped to 0–1; the number in it is the raw mean score.

    Parameters
    ----------
    trace : Trace or Graph
    scores : Dataset, optional
        What ``compare_rdms`` or ``fit_encoding`` returned for this model. Ops without a score stay grey.
    best : Dataset, optional
        What ``assign_regions`` returned: best ops get a frame and a star, ops that cannot be told apart from
        the best of a region are underlined in its colour.
    title, subtitle : str, optional
        By default the model's name, and what the attributes of ``scores`` say about the method.
    depth : int, optional
        Fold modules this many levels below the model into one card each; see ``lay_out``.
    layout : str
        ``"auto"``, ``"columns"`` or ``"flow"``.

    Returns
    -------
    Drawing
        ``.save("graph.svg")``, also .pdf, .png and .gv; shows itself in a notebook.

    Raises
    ------
    InputError
        For an unknown layout or depth, or ``best`` without ``scores``.
    LabelError
        When ``scores`` or ``best`` name ops that the graph lacks.
    """
    graph = read_graph(trace)
    if best is not None and scores is None:
        raise InputError("best needs the scores it was chosen from: draw_graph(trace, scores=scores, best=best).")
    annotation = annotate_ops(scores, ops=list(graph.by_name), best=best) if scores is not None else None
    plan = lay_out(graph, depth=depth, layout=layout)
    dot = _open_dot(plan)
    legend = build_legend(
        title if title is not None else getattr(trace, "model_name", "") or "model",
        subtitle,
        annotation,
        stacked=len(plan.columns) <= 2,
        shortcuts=any(edge.role == "shortcut" for edge in plan.edges),
        generated=any(node.generated for node in plan.nodes),
    )
    dot.attr(label=f"<{legend}>")
    if len(plan.columns) > 1:
        _write_wires(dot, plan)
    for k in range(len(plan.columns)):
        _write_column(dot, plan, k, annotation)
    _write_edges(dot, plan)
    return Drawing(dot.source)


def _open_dot(plan: Layout) -> graphviz.Digraph:
    dot = graphviz.Digraph(
        "model",
        graph_attr={
            "rankdir": "TB", "newrank": "true", "nodesep": "0.28", "ranksep": "0.17", "pad": "0.2", "splines": "true",
            "outputorder": "edgesfirst", "bgcolor": "transparent", "labelloc": "t", "labeljust": "l", "fontname": FONT,
            "tooltip": " ",
        },
        node_attr={
            "shape": "box", "style": "filled", "fillcolor": CARD, "color": CARD_LINE, "penwidth": "0.8", "margin": "0",
            "width": "0", "height": "0", "fontname": FONT, "fontcolor": INK,
        },
        edge_attr={"penwidth": "1.1", "arrowsize": "0.5", "color": EDGE},
    )  # fmt: skip
    # Long edges, not many nodes, are what make Graphviz slow; each becomes a chain of invisible nodes.
    spans = sum(edge.head - edge.tail for edge in plan.edges)
    if len(plan.edges) > 600 or spans > 5 * len(plan.nodes):
        dot.attr(nslimit="0.5", nslimit1="0.5", mclimit="0.3")
    return dot


def _write_column(dot: graphviz.Digraph, plan: Layout, k: int, annotation: Annotation | None) -> None:
    """Write the boxes of one column inside its own copy of every module it touches."""
    spine = set(plan.spines[k])
    open_now: list[tuple[int, graphviz.Digraph]] = []

    def close(n: int) -> None:
        while len(open_now) > n:
            _, inner = open_now.pop()
            (open_now[-1][1] if open_now else dot).subgraph(inner)

    for i in plan.columns[k]:
        node = plan.nodes[i]
        kept = 0
        while kept < min(len(open_now), len(node.clusters)) and open_now[kept][0] == node.clusters[kept]:
            kept += 1
        close(kept)
        for place in node.clusters[kept:]:
            open_now.append((place, _open_cluster(plan, place, k)))
        target = open_now[-1][1] if open_now else dot
        target.node(f"n{i}", **_style_node(plan, i, annotation, f"c{k}" if i in spine else None))
    close(0)


def _open_cluster(plan: Layout, place: int, k: int) -> graphviz.Digraph:
    cluster: Cluster = plan.clusters[place]
    shade = min(cluster.depth, len(CLUSTER_FILLS) - 1)
    held = [n for n, column in enumerate(plan.columns) if any(place in plan.nodes[i].clusters for i in column)]
    size, color = (11.0, INK) if cluster.depth == 0 else (8.5, MUTED)
    title = write_font(cluster.title, size, color, True)
    extra = "" if cluster.module_class in PLAIN_CONTAINERS else f"  {cluster.module_class}"
    if len(held) > 1:
        extra += f"  {held.index(k) + 1}/{len(held)}"
    if extra:
        title += write_font(extra, 8.5, MUTED)
    inner = graphviz.Digraph(f"cluster_{place}_{k}")
    inner.attr(
        label=f"<{title}>",
        style="rounded,filled",
        fillcolor=CLUSTER_FILLS[shade],
        color=CLUSTER_LINES[shade],
        penwidth="0.8",
        margin="8",
        tooltip=graphviz.escape(cluster.address),
    )
    return inner


def _style_node(plan: Layout, i: int, annotation: Annotation | None, group: str | None) -> dict[str, str]:
    node = plan.nodes[i]
    style = {
        "label": f"<{build_card(node, annotation)}>",
        "tooltip": graphviz.escape(build_tooltip(node, annotation)),
        "class": f"{node.kind} box",
        "id": f"op-{node.ops[0].index}" if node.kind == "op" else f"{node.kind}-{i}",
    }
    if group:
        style["group"] = group
    if node.kind in ("input", "output"):
        style |= {"style": "rounded,filled", "color": FAINT, "height": "0.26", "margin": "0.11,0.02"}
    if node.kind == "module":
        style["peripheries"] = "2"
    if annotation is not None:
        colors = assign_region_colors(annotation.regions)
        best = [r for op in node.ops for r in annotation.best.get(op.name, ())]
        tied = [r for op in node.ops for r in annotation.ties.get(op.name, ())]
        if best:
            style |= {
                "peripheries": "1",
                "color": colors[annotation.regions[best[0]]],
                "penwidth": "2.2",
                "margin": FRAME_MARGIN,
            }
        elif tied and node.kind == "op":
            style |= {"color": colors[annotation.regions[tied[0]]], "penwidth": "1.1", "margin": FRAME_MARGIN}
    return style


def _write_edges(dot: graphviz.Digraph, plan: Layout) -> None:
    column_of = {i: k for k, column in enumerate(plan.columns) for i in column}
    straight = {pair for spine in plan.spines for pair in pairwise(spine)}
    for edge in plan.edges:
        if edge.wired:
            continue
        style = {"weight": "8" if (edge.tail, edge.head) in straight else "2"}
        if edge.role == "shortcut":
            style = {"weight": "0", "style": "dashed", "color": SHORTCUT}
        if column_of[edge.tail] != column_of[edge.head]:
            style["constraint"] = "false"
        dot.edge(f"n{edge.tail}", f"n{edge.head}", **style)


def _write_wires(dot: graphviz.Digraph, plan: Layout) -> None:
    """Lead each column's output down, through the gutter and up into the next, along invisible points.

    ``b`` and ``t`` are the points below and above a column, ``gb`` and ``gt`` the ends of the gutter after it.
    """
    n = len(plan.columns)
    point = {"shape": "point", "width": "0.01", "style": "invis", "label": ""}
    for rank, corners in (("min", ("t", "gt")), ("max", ("b", "gb"))):
        with dot.subgraph() as row:
            row.attr(rank=rank)
            for k in range(n):
                row.node(f"{corners[0]}{k}", group=f"c{k}", **point)
                if k < n - 1:
                    row.node(f"{corners[1]}{k}", group=f"u{k}", **point)
    heads: dict[int | None, list[tuple[int, str]]] = {}
    for edge in plan.edges:
        if edge.wired:
            heads.setdefault(edge.tail, []).append((edge.head, edge.role))
    for k in range(n):
        # Anchored by their longest path even where no tensor crosses, so that columns keep their order.
        top, bottom = plan.spines[k][0], plan.spines[k][-1]
        following = heads.get(plan.wires[k - 1], []) if k else []
        if top not in [head for head, _ in following]:
            dot.edge(f"t{k}", f"n{top}", style="invis", weight="8")
        if k == n - 1:
            dot.edge(f"n{bottom}", f"b{k}", style="invis", weight="1")
            continue
        wire = {"arrowhead": "none", "penwidth": "1.6"} if plan.wires[k] is not None else {"style": "invis"}
        dot.edge(f"n{bottom}", f"b{k}", weight="1", **wire)
        dot.edge(f"b{k}", f"gb{k}", weight="1", **wire)
        dot.edge(f"gt{k}", f"gb{k}", weight="20", **wire)
        dot.edge(f"gt{k}", f"t{k + 1}", weight="1", **wire)
        dot.edge(f"t{k}", f"gt{k}", style="invis")
        dot.edge(f"gb{k}", f"b{k + 1}", style="invis")
        for head, role in heads.get(plan.wires[k], []):
            main = head == plan.spines[k + 1][0]
            style = {"penwidth": "1.6", "weight": "8"} if main else {"weight": "1"}
            if role == "shortcut":
                style = {"weight": "0", "style": "dashed", "color": SHORTCUT}
            dot.edge(f"t{k + 1}", f"n{head}", **style)
