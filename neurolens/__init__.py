"""NeuroLens: which operation inside a network represents stimuli the way a brain region does.

Its parts, in the order in which an analysis uses them:

``stimuli``    what was shown, by id
``models``     models of the field's libraries by name, with their preprocessing
``brain``      brain responses and published RDMs from files, and maps of results as images
``datasets``   brain data with their stimuli, fetched and checked
``extract``    every operation of a model: one pass (`trace`, `validate`) or a whole set
``compare``    RDMs, alignments, encoding: scores with noise ceilings and intervals
``scores``     the form of scores, in which every method returns them
``view``       the annotated graph, figures, brain maps, and exports
``report``     the results of a run on one page
``demo``       the main analysis, end to end, and the command that runs it from the shell
``labels``     names of dimensions, matching by id, `align_stimuli`; ``errors`` what can be
               raised; ``support`` tasks on dask workers, files of traces and encoders, and
               tables for notebooks

`extract` and `compare` never import each other: they exchange labelled xarray objects. What is used
most is here; the rest is in ``neurolens.extract`` and ``neurolens.compare``.
"""

from neurolens.brain import read_responses
from neurolens.compare import assign_regions, compare_rdms, compute_rdms, fit_encoding
from neurolens.datasets import describe_dataset, list_datasets, load_dataset
from neurolens.extract import (
    extract_activations,
    extract_grams,
    forecast,
    load_trace,
    open_activations,
    randomize_weights,
    trace,
    validate,
)
from neurolens.labels.alignment import align_stimuli
from neurolens.models import LoadedModel, list_models, load_model
from neurolens.report import write_report
from neurolens.stimuli import ImageTransform, StimulusSet, load_stimuli
from neurolens.support.versions import __version__
from neurolens.view import draw_graph, plot_profile, plot_rdms

__all__ = [
    "ImageTransform",
    "LoadedModel",
    "StimulusSet",
    "__version__",
    "align_stimuli",
    "assign_regions",
    "compare_rdms",
    "compute_rdms",
    "describe_dataset",
    "draw_graph",
    "extract_activations",
    "extract_grams",
    "fit_encoding",
    "forecast",
    "list_datasets",
    "list_models",
    "load_dataset",
    "load_model",
    "load_stimuli",
    "load_trace",
    "open_activations",
    "plot_profile",
    "plot_rdms",
    "randomize_weights",
    "read_responses",
    "trace",
    "validate",
    "write_report",
]
