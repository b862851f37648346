"""Labelled results of every operation of a model, for stimuli.

One pass: ``tracing``, from ``sources``. A whole set: ``activations``, ``grams``, what they will
cost (``forecasting``), and a control with random weights (``controls``); ``assemblies`` turns
results into assemblies of BrainIO, ``results`` finds results again and stacks the steps of a layer.
Below them:

``capture``     records one forward pass as a stream of op events
``graph``       which ops ran and what fed them, as plain records
``validation``  checks that the recording is what the model computes
``reducers``    make results smaller
``stream``      runs a whole stimulus set through the model
"""

from neurolens.extract.activations import extract_activations
from neurolens.extract.assemblies import to_assembly
from neurolens.extract.controls import randomize_weights
from neurolens.extract.forecasting import Forecast, forecast
from neurolens.extract.grams import extract_grams
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.layers import Layer, LayerEdge
from neurolens.extract.graph.ops import HostRead, Op, Parent, TensorSpec
from neurolens.extract.reducers.cast import Cast
from neurolens.extract.reducers.pca import PCA
from neurolens.extract.reducers.pool import Pool
from neurolens.extract.reducers.project import Project
from neurolens.extract.reducers.subsample import Subsample
from neurolens.extract.reducers.table import REDUCERS
from neurolens.extract.results import select_results, stack_steps
from neurolens.extract.stream.stores.opening import open_activations
from neurolens.extract.tracing import Trace, TracedOp, load_trace, trace
from neurolens.extract.validation.verdict import Verdict, validate

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
    "randomize_weights",
    "select_results",
    "stack_steps",
    "to_assembly",
    "trace",
    "validate",
]
