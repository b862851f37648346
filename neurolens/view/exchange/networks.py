"""The graph and its scores as a directed graph of networkx."""

from typing import Any

import xarray as xr

from neurolens.errors import MissingToolError
from neurolens.view.exchange.content import find_marks, list_rows, read_content
from neurolens.view.exchange.documents import make_plain


def to_networkx(
    trace: Any, *, scores: xr.Dataset | None = None, best: xr.Dataset | None = None
) -> Any:
    """Return the graph as a ``networkx.DiGraph``, scores as attributes of its nodes.

    >>> network = to_networkx(trace, scores=scores)  # doctest: +SKIP
    >>> networkx.write_graphml(network, "graph.graphml")  # doctest: +SKIP

    Parameters
    ----------
    trace, scores, best
        As for `to_json`.

    Returns
    -------
    networkx.DiGraph
        Nodes are names of ops, in order of execution, and ``input:NAME``. Attributes of nodes:
        ``kind`` ("op" or "input"), ``name``, ``function``, ``module``, ``module_class``, ``shape``
        as text ("1x64x56x56"), ``index``, ``pass``; ``n_parameters`` and ``flops`` where known; of
        scores "V1 mean", "V1 low", ... where there is a number; ``best_of`` and ``ties_with``,
        names of regions joined by commas. All are numbers or texts, as GraphML and GEXF need.
        Edges have ``position``, where in the call the value stood; one edge for each pair of nodes.

    Raises
    ------
    InputError, LabelError
        As `to_json`.
    MissingToolError
        networkx is not installed.
    """
    try:
        import networkx
    except ImportError as error:
        raise MissingToolError(
            "to_networkx needs networkx, which is not installed. Type pip install networkx."
        ) from error
    content = read_content(trace, scores, best)
    network = networkx.DiGraph(model=content.model)
    for name, spec in content.graph.inputs.items():
        shape = "x".join(map(str, spec.shape))
        network.add_node(f"input:{name}", kind="input", name=name, shape=shape)
    rows = list_rows(content)
    for op in content.graph:
        facts: dict[str, Any] = {
            "kind": "op",
            "name": op.name,
            "function": op.function,
            "module": op.module,
            "module_class": op.module_class,
            "shape": "x".join(map(str, op.shape)) or "scalar",
            "index": op.index,
            "pass": op.pass_number,
        }
        n_parameters, flops = content.costs.get(op.name, (None, None))
        facts |= {"n_parameters": n_parameters, "flops": flops}
        for region, numbers in rows.get(op.name, {}).items():
            facts |= {f"{region} {key}": value for key, value in numbers.items()}
        if content.note is not None:
            facts["best_of"] = ",".join(find_marks(content.note.best, op.name, content.note))
            facts["ties_with"] = ",".join(find_marks(content.note.ties, op.name, content.note))
        plain = make_plain(facts)
        network.add_node(op.name, **{k: v for k, v in plain.items() if v is not None})
    for op in content.graph:
        for parent in op.parents:
            source = parent.source if parent.kind == "op" else f"input:{parent.source}"
            if parent.kind in ("op", "input") and not network.has_edge(source, op.name):
                network.add_edge(source, op.name, position=parent.position)
    return network
