from . import (
    brain,
    compare,
    datasets,
    errors,
    extract,
    labels,
    models,
    report,
    scores,
    stimuli,
    support,
    view,
)
from .brain import read_responses
from .compare import assign_regions, compare_rdms, compute_rdms, fit_encoding
from .datasets import describe_dataset, list_datasets, load_dataset
from .extract import (
    extract_activations,
    extract_grams,
    forecast,
    load_trace,
    open_activations,
    randomize_weights,
    trace,
    validate,
)
from .labels.alignment import align_stimuli
from .models import LoadedModel, list_models, load_model
from .report import write_report
from .stimuli import ImageTransform, StimulusSet, load_stimuli
from .support.versions import __version__
from .view import draw_graph, plot_profile, plot_rdms

__all__ = [
    "ImageTransform",
    "LoadedModel",
    "StimulusSet",
    "__version__",
    "align_stimuli",
    "assign_regions",
    "brain",
    "compare",
    "compare_rdms",
    "compute_rdms",
    "datasets",
    "describe_dataset",
    "draw_graph",
    "errors",
    "extract",
    "extract_activations",
    "extract_grams",
    "fit_encoding",
    "forecast",
    "labels",
    "list_datasets",
    "list_models",
    "load_dataset",
    "load_model",
    "load_stimuli",
    "load_trace",
    "models",
    "open_activations",
    "plot_profile",
    "plot_rdms",
    "randomize_weights",
    "read_responses",
    "report",
    "scores",
    "stimuli",
    "support",
    "trace",
    "validate",
    "view",
    "write_report",
]
