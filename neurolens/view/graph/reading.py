"""Reading of what is to be drawn."""

from typing import Any

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph


def read_graph(trace: Any) -> Graph:
    """Return the Graph of a trace, or the Graph itself; raise InputError for anything else."""
    graph = getattr(trace, "graph", trace)
    if not isinstance(graph, Graph):
        raise InputError(
            f"a Trace or a Graph is needed to draw, got {type(trace).__name__}. Pass trace(model, "
            f"inputs).",
            anchor="wrong-object",
        )
    return graph
