"""From a model and stimuli to labelled results of every operation.

``recorder`` catches the calls, ``sites`` and ``scopes`` name them, ``trace`` and ``validate`` are one pass,
``activations`` and ``grams`` a whole stimulus set; ``randomize`` makes a control with random weights.
"""

from neurolens.extract.activations import extract_activations
from neurolens.extract.grams import extract_grams
from neurolens.extract.graph import Graph, HostRead, Op, Parent, TensorSpec
from neurolens.extract.randomize import randomize
from neurolens.extract.rolling import Layer, LayerEdge
from neurolens.extract.trace import Trace, TracedOp, load_trace, trace
from neurolens.extract.validate import Verdict, validate

__all__ = [
    "Graph",
    "HostRead",
    "Layer",
    "LayerEdge",
    "Op",
    "Parent",
    "TensorSpec",
    "Trace",
    "TracedOp",
    "Verdict",
    "extract_activations",
    "extract_grams",
    "load_trace",
    "randomize",
    "trace",
    "validate",
]
