"""From a model and stimuli to labelled results of every operation.

``recorder`` catches the calls, ``sites`` and ``scopes`` name them, ``trace`` and ``validate`` are one pass,
``activations`` and ``grams`` a whole stimulus set, which ``plan`` and ``forecast`` settle before it runs and ``store``
keeps; ``randomize`` makes a control with random weights.
"""

from neurolens.extract.activations import extract_activations
from neurolens.extract.assemblies import read_assembly, to_assembly, write_assembly
from neurolens.extract.forecast import Forecast, forecast
from neurolens.extract.grams import extract_grams
from neurolens.extract.graph import Graph, HostRead, Op, Parent, TensorSpec
from neurolens.extract.randomize import randomize
from neurolens.extract.reducers import PCA, REDUCERS, Cast, Pool, Project, Subsample
from neurolens.extract.rolling import Layer, LayerEdge
from neurolens.extract.store import open_activations
from neurolens.extract.trace import Trace, TracedOp, load_trace, trace
from neurolens.extract.validate import Verdict, validate

__all__ = [
    "PCA",
    "REDUCERS",
    "Cast",
    "Forecast",
    "Graph",
    "HostRead",
    "Layer",
    "LayerEdge",
    "Op",
    "Parent",
    "Pool",
    "Project",
    "Subsample",
    "TensorSpec",
    "Trace",
    "TracedOp",
    "Verdict",
    "extract_activations",
    "extract_grams",
    "forecast",
    "load_trace",
    "open_activations",
    "randomize",
    "read_assembly",
    "to_assembly",
    "trace",
    "validate",
    "write_assembly",
]
