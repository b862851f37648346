"""Files for Model Explorer: the graph, and one set of node data for each region.

Its formats, as its package's ``graph_builder`` and ``node_data_builder`` define them: nodes with a
namespace of nested layers, and data by graph and node. Model Explorer stretches a gradient from the
smallest to the largest value, so that a color would mean another score in each region. Here every
node has its own color on one scale, and thresholds on the same scale color the layers.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import DataError, InputError
from neurolens.extract.graph.ops import Op
from neurolens.view.annotation import Annotation
from neurolens.view.exchange.content import Content, find_marks, list_rows, read_content
from neurolens.view.exchange.documents import make_plain, write_json
from neurolens.view.style import format_score, pick_color, pick_text_color

N_THRESHOLDS = 16
# Model Explorer nests by slashes, and takes what follows a semicolon for another namespace.
SEPARATOR = "/"
REPLACED = re.compile(r"[/;]")
INPUT = "input:"
OUTPUT = "output"


class ExplorerFiles:
    """Files for Model Explorer.

    Attributes
    ----------
    graph : dict
        The collection with the one graph.
    node_data : dict
        Region -> its node data.
    """

    def __init__(self, graph: dict[str, Any], node_data: dict[str, dict[str, Any]]) -> None:
        self.graph = graph
        self.node_data = node_data

    def __repr__(self) -> str:
        n_nodes = len(self.graph["graphs"][0]["nodes"])
        return (
            f"<ExplorerFiles: {n_nodes} nodes, scores of {len(self.node_data)} regions; "
            ".save('folder') writes them>"
        )

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``graph.json`` and ``scores_REGION.json`` into a folder, and return the paths.

        Raises
        ------
        DataError
            The folder cannot be made, or a file not written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"the folder {str(folder)!r} could not be made: {error.strerror}. Several files "
                "are written: give the path of a folder, as in .save('explorer').",
                anchor="cannot-write",
            ) from None
        paths = [write_json(self.graph, folder / "graph.json")]
        taken: set[str] = set()
        for region, content in self.node_data.items():
            stem = re.sub(r"[^\w.-]+", "_", region) or "region"
            name = stem
            number = 2
            while name.casefold() in taken:
                name = f"{stem}_{number}"
                number += 1
            taken.add(name.casefold())
            paths.append(write_json(content, folder / f"scores_{name}.json"))
        return paths


def to_model_explorer(
    trace: Any, *, scores: xr.Dataset | None = None, best: xr.Dataset | None = None
) -> ExplorerFiles:
    """Return the graph and its scores in the formats of Model Explorer.

    >>> to_model_explorer(trace, scores=scores).save("explorer")  # doctest: +SKIP

    Then open ``graph.json`` in Model Explorer, and upload the other files as custom node data.

    Parameters
    ----------
    trace, scores, best
        As for `to_json`.

    Returns
    -------
    ExplorerFiles
        ``.save(folder)`` writes one file for the graph and one for each region. A color stands for
        the same score in every region; the name of the node data says what full color and the noise
        ceiling are. Ops without a score have no data.

    Raises
    ------
    InputError, LabelError
        As `to_json`.
    """
    content = read_content(trace, scores, best)
    if not len(content.graph):
        raise InputError("the graph has no ops, so there is nothing to show. Trace a model.")
    name = content.model or "model"
    nodes = [*_list_inputs(content), *(_build_node(op, content) for op in content.graph)]
    nodes.append(_build_output(content))
    classes = {
        _write_namespace(address): {"class": kind}
        for address, kind in content.graph.modules.items()
        if address
    }
    graph = {"id": name, "nodes": nodes, "groupNodeAttributes": classes}
    collection = {"label": name, "graphs": [graph]}
    return ExplorerFiles(make_plain(collection), _build_node_data(content, name))


def _write_namespace(address: str) -> str:
    """Return the address of a module as a path of layers."""
    parts = [REPLACED.sub("_", part) or "_" for part in address.split(".")] if address else []
    return SEPARATOR.join(parts)


def _write_attributes(pairs: dict[str, Any]) -> list[dict[str, str]]:
    """Return attributes of a node, which are texts; those that are empty are left out."""
    return [{"key": key, "value": str(value)} for key, value in pairs.items() if value]


def _list_inputs(content: Content) -> list[dict[str, Any]]:
    """Return a node for each input of the model."""
    return [
        {
            "id": INPUT + name,
            "label": name,
            "namespace": "",
            "attrs": _write_attributes({"shape": list(spec.shape), "dtype": spec.dtype}),
        }
        for name, spec in content.graph.inputs.items()
    ]


def _build_node(op: Op, content: Content) -> dict[str, Any]:
    """Return the node of an op, its edges included."""
    known = content.graph.by_name
    edges = []
    for parent in op.parents:
        source = parent.source if parent.kind == "op" else INPUT + parent.source
        if source in known or parent.kind == "input":
            edges.append(
                {
                    "sourceNodeId": source,
                    "sourceNodeOutputId": str(parent.output),
                    "targetNodeInputId": parent.position,
                }
            )
    n_parameters, flops = content.costs.get(op.name, (None, None))
    facts = {
        "module": op.module,
        "class": op.module_class,
        "settings": op.settings,
        "pass": op.pass_number if op.pass_number > 1 else "",
        "parameters": n_parameters,
        "FLOPs": flops,
        **_describe_fits(op.name, content),
    }
    outputs = [
        {
            "id": str(k),
            "attrs": _write_attributes({"shape": list(spec.shape), "dtype": spec.dtype}),
        }
        for k, spec in enumerate(op.outputs)
    ]
    return {
        "id": op.name,
        "label": op.function,
        "namespace": _write_namespace(op.module),
        "attrs": _write_attributes(facts),
        "incomingEdges": edges,
        "outputsMetadata": outputs,
    }


def _build_output(content: Content) -> dict[str, Any]:
    """Return the node of what the model returned."""
    edges = [
        {
            "sourceNodeId": parent.source,
            "sourceNodeOutputId": str(parent.output),
            "targetNodeInputId": str(k),
        }
        for k, parent in enumerate(content.graph.outputs)
        if parent.kind == "op"
    ]
    return {"id": OUTPUT, "label": OUTPUT, "namespace": "", "incomingEdges": edges}


def _describe_fits(op: str, content: Content) -> dict[str, str]:
    """Return the regions whose best op it is, or that cannot tell it from their best op."""
    note = content.note
    if note is None:
        return {}
    return {
        "best op of": ", ".join(find_marks(note.best, op, note)),
        "not distinguishable from the best op of": ", ".join(find_marks(note.ties, op, note)),
    }


def _build_node_data(content: Content, graph_id: str) -> dict[str, dict[str, Any]]:
    """Return the node data of each region."""
    note = content.note
    if note is None:
        return {}
    rows = list_rows(content)
    files = {}
    for i, region in enumerate(note.regions):
        results = {}
        for op, by_region in rows.items():
            mean = by_region[region]["mean"]
            if np.isfinite(mean):
                color = pick_color(mean / note.scale_end)
                results[op] = {
                    "value": mean,
                    "bgColor": color,
                    "textColor": pick_text_color(color),
                }
        data = {
            "name": _name_data(note, i),
            "results": results,
            "thresholds": _list_thresholds(note.scale_end, results),
        }
        files[region] = make_plain({graph_id: data})
    return files


def _name_data(note: Annotation, i: int) -> str:
    """Return what the numbers are, full color and the ceiling, for the list of node data."""
    return (
        f"{note.regions[i]}, {note.attrs['measure']} (full color {format_score(note.scale_end)}; "
        f"noise ceiling {note.describe_ceiling(i)})"
    )


def _list_thresholds(scale: float, results: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return upper ends of steps from 0 to the scale; the last one holds all scores above."""
    if not results:
        return []
    largest = max(scale, *(one["value"] for one in results.values()))
    steps = []
    for k in range(1, N_THRESHOLDS + 1):
        color = pick_color((k - 0.5) / N_THRESHOLDS)
        value = scale * k / N_THRESHOLDS if k < N_THRESHOLDS else largest
        steps.append({"value": value, "bgColor": color, "textColor": pick_text_color(color)})
    return steps
