"""NeuroLens: which operation inside a network represents stimuli the way a brain region does.

The map, in the order a question travels:

``stimuli``    what was shown, by id
``datasets``   brain data with their stimuli, fetched and checked
``extract``    every operation of a model: one pass (`trace`, `validate`) or a whole set (`extract_grams`, ...)
``compare``    RDMs and Grams, scores with noise ceilings and intervals, which op for which region
``view``       the annotated graph and the figures
``report``     everything a run found, on one page
``demo``       the main job, end to end; ``cli`` runs it from the shell
``labels``     names of dimensions, matching by id; ``errors`` what can be raised

`extract` and `compare` never import each other: they meet in labelled xarray objects.
"""

from neurolens.compare import (
    assign_regions,
    compare_grams,
    compare_models,
    compare_predicted,
    compare_rdms,
    compare_searchlight,
    compute_grams,
    compute_ncsnr,
    compute_rdm_ceilings,
    compute_rdms,
    compute_searchlight_rdms,
    compute_split_half,
    fit_reweighted_rdms,
    from_rsatoolbox,
    normalize_scores,
    read_rdms,
    to_rsatoolbox,
    write_rdms,
)
from neurolens.datasets import Dataset, describe_dataset, list_datasets, load_dataset
from neurolens.extract import (
    Trace,
    Verdict,
    extract_activations,
    extract_grams,
    load_trace,
    trace,
    validate,
)
from neurolens.report import write_report
from neurolens.stimuli import ImageTransform, StimulusSet, load_stimuli
from neurolens.view import Drawing, draw_graph, plot_profile, plot_rdms

__all__ = [
    "Dataset",
    "Drawing",
    "ImageTransform",
    "StimulusSet",
    "Trace",
    "Verdict",
    "assign_regions",
    "compare_grams",
    "compare_models",
    "compare_predicted",
    "compare_rdms",
    "compare_searchlight",
    "compute_grams",
    "compute_ncsnr",
    "compute_rdm_ceilings",
    "compute_rdms",
    "compute_searchlight_rdms",
    "compute_split_half",
    "describe_dataset",
    "draw_graph",
    "extract_activations",
    "extract_grams",
    "fit_reweighted_rdms",
    "from_rsatoolbox",
    "list_datasets",
    "load_dataset",
    "load_stimuli",
    "load_trace",
    "normalize_scores",
    "plot_profile",
    "plot_rdms",
    "read_rdms",
    "to_rsatoolbox",
    "trace",
    "validate",
    "write_rdms",
    "write_report",
]
