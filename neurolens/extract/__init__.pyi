from .activations import extract_activations
from .assemblies import to_assembly
from .controls import randomize_weights
from .forecasting import Forecast, forecast
from .grams import extract_grams
from .graph.graph import Graph
from .graph.layers import Layer, LayerEdge
from .graph.ops import HostRead, Op, Parent, TensorSpec
from .reducers.cast import Cast
from .reducers.pca import PCA
from .reducers.pool import Pool
from .reducers.project import Project
from .reducers.subsample import Subsample
from .reducers.table import REDUCERS
from .results import select_results, stack_steps
from .stream.stores.opening import open_activations
from .tracing import Trace, TracedOp, load_trace, trace
from .validation.verdict import Verdict, validate

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
