"""Origins of a trace: a recording of this process, or a file."""

from typing import Any, Protocol

from neurolens.extract.capture.events import Recording
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.files import StoredTrace
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Costs
from neurolens.extract.graph.table import count_costs


class TraceSource(Protocol):
    """The origin of a trace: a recording of this process, or a file."""

    output: Any

    def build_graph(self) -> Graph:
        """Return the graph of the pass."""

    def count_costs(self) -> Costs:
        """Return parameters and floating-point operations of each op, where known."""

    def find_gradient_edges(self) -> dict[str, Any]:
        """Return the place of each op's first result in the autograd graph; empty without one."""


class RecordedSource:
    """A recording, from which graph and costs are made when they are first asked for."""

    def __init__(self, recording: Recording) -> None:
        self.output = recording.result
        self._recording = recording

    def build_graph(self) -> Graph:
        """Return the graph of the pass."""
        return assemble_graph(self._recording)

    def count_costs(self) -> Costs:
        """Return parameters and floating-point operations of each op."""
        return count_costs(self._recording)

    def find_gradient_edges(self) -> dict[str, Any]:
        """Return the place of each op's first result in the autograd graph."""
        edges = {}
        for event in self._recording.events:
            if event.outputs[0].edge is not None:
                edges[event.name] = event.outputs[0].edge
        return edges


class StoredSource:
    """The content of a file."""

    output = None

    def __init__(self, stored: StoredTrace) -> None:
        self._stored = stored

    def build_graph(self) -> Graph:
        """Return the graph of the pass."""
        return self._stored.graph

    def count_costs(self) -> Costs:
        """Return the costs that the file holds."""
        return self._stored.costs

    def find_gradient_edges(self) -> dict[str, Any]:
        """Return nothing: a file holds no gradients."""
        return {}
