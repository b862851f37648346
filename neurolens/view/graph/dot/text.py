"""DOT text of the graph, in Graphviz's own flow from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass

import graphviz

from neurolens.view import style
from neurolens.view.graph.dot.labels import LabelWriter
from neurolens.view.graph.legend import Legend
from neurolens.view.graph.plan import Deck
from neurolens.view.structure.folding import find_visible
from neurolens.view.structure.records import Structure
from neurolens.view.style import Theme

BUSY_EDGES = 600
BUSY_SPAN = 5
# kind ("node" or "module") and position of what is shown
Shown = tuple[str, int]


@dataclass(frozen=True)
class DotGraph:
    """What is written as DOT: a structure with the runs ``folded`` shown as one card each."""

    structure: Structure
    folded: frozenset[str]
    deck: Deck
    legend: Legend
    theme: Theme
    colors: Sequence[str]


def write_dot(drawn: DotGraph) -> str:
    """Return DOT text; Graphviz is not needed for it."""
    theme = drawn.theme
    labels = LabelWriter(theme, drawn.colors)
    dot = graphviz.Digraph(
        "model",
        graph_attr=_style_graph(theme) | {"label": f"<{labels.write_legend(drawn.legend)}>"},
        node_attr=_style_nodes(theme),
        edge_attr={"penwidth": "1.1", "arrowsize": "0.5", "color": theme.arrow},
    )
    shown = _find_shown(drawn.structure, drawn.folded)
    _write_run(dot, drawn, labels, shown, -1)
    edges = _list_edges(drawn.structure, shown)
    # Long edges, not many nodes, make Graphviz slow: each becomes a chain of invisible nodes.
    order = {item: i for i, item in enumerate(dict.fromkeys(shown))}
    span = sum(abs(order[head] - order[tail]) for tail, head in edges)
    if len(edges) > BUSY_EDGES or span > BUSY_SPAN * len(order):
        dot.attr(nslimit="0.5", nslimit1="0.5", mclimit="0.3")
    for (tail, head), role in edges.items():
        dot.edge(_name(tail), _name(head), **_style_edge(role, theme))
    return dot.source


def _find_shown(structure: Structure, folded: frozenset[str]) -> list[Shown]:
    """Return of each node what shows it: itself, or the folded run that holds it."""
    holders = find_visible(structure, folded).holders
    return [("node", i) if run < 0 else ("module", run) for i, run in enumerate(holders)]


def _name(item: Shown) -> str:
    return f"{item[0][0]}{item[1]}"


def _write_run(
    dot: graphviz.Digraph, drawn: DotGraph, labels: LabelWriter, shown: list[Shown], run: int
) -> None:
    """Write the boxes directly in a run, -1 for the model, then its inner runs as clusters."""
    structure = drawn.structure
    for item in dict.fromkeys(shown):
        kind, index = item
        owner = structure.runs[index].parent if kind == "module" else structure.nodes[index].run
        if owner == run:
            dot.node(_name(item), **_style_box(drawn, labels, item))
    for i, inner in enumerate(structure.runs):
        if inner.parent == run and inner.key not in drawn.folded:
            with dot.subgraph(name=f"cluster_{i}") as cluster:
                cluster.attr(**_style_cluster(drawn, labels, i))
                _write_run(cluster, drawn, labels, shown, i)


def _list_edges(structure: Structure, shown: list[Shown]) -> dict[tuple[Shown, Shown], str]:
    """Return the edges between different boxes with their roles, the most important of several."""
    edges: dict[tuple[Shown, Shown], str] = {}
    rank = {"main": 0, "loop": 1, "shortcut": 2}
    for edge in structure.edges:
        pair = (shown[edge.tail], shown[edge.head])
        if edge.left_out or pair[0] == pair[1]:
            continue
        edges[pair] = min(edge.role, edges.get(pair, edge.role), key=rank.__getitem__)
    return edges


def _style_graph(theme: Theme) -> dict[str, str]:
    return {
        "rankdir": "TB", "newrank": "true", "nodesep": "0.28", "ranksep": "0.2", "pad": "0.2",
        "splines": "true", "outputorder": "edgesfirst", "bgcolor": theme.page, "labelloc": "t",
        "labeljust": "l", "fontname": style.FONT, "tooltip": " ",
    }  # fmt: skip


def _style_nodes(theme: Theme) -> dict[str, str]:
    return {
        "shape": "box", "style": "filled", "fillcolor": theme.card, "color": theme.card_line,
        "penwidth": "0.8", "margin": "0.03", "width": "0", "height": "0", "fontname": style.FONT,
        "fontcolor": theme.ink,
    }  # fmt: skip


def _style_box(drawn: DotGraph, labels: LabelWriter, item: Shown) -> dict[str, str]:
    kind, index = item
    box = drawn.deck.nodes[index] if kind == "node" else drawn.deck.runs[index]
    card = box.card
    look = {
        "label": f"<{labels.write_card(card)}>",
        "tooltip": graphviz.escape(box.tooltip),
        "class": f"{card.kind} box",
        "id": box.id,
    }
    if card.kind in ("input", "output"):
        look |= {"style": "rounded,filled"}
    if card.kind == "module":
        look |= {"peripheries": "2"}
    if card.tags:
        look |= {"color": drawn.colors[card.tags[0].region], "penwidth": "2.2"}
    return look


def _style_cluster(drawn: DotGraph, labels: LabelWriter, i: int) -> dict[str, str]:
    run = drawn.structure.runs[i]
    shade = min(run.depth, len(drawn.theme.areas) - 1)
    return {
        "label": f"<{labels.write_title(run)}>",
        "style": "rounded,filled",
        "fillcolor": drawn.theme.areas[shade],
        "color": drawn.theme.area_lines[shade],
        "penwidth": "0.8",
        "margin": "8",
        "tooltip": graphviz.escape(run.address),
    }


def _style_edge(role: str, theme: Theme) -> dict[str, str]:
    if role == "loop":
        return {"weight": "0", "color": theme.accent, "penwidth": "1.6", "constraint": "false"}
    if role == "shortcut":
        return {"weight": "0", "style": "dashed", "color": theme.shortcut}
    return {"weight": "4"}
