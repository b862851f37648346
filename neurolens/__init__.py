"""NeuroLens: which operation inside a network represents stimuli the way a brain region does.

The map, in the order a question travels:

``stimuli``    what was shown, by id
``datasets``   brain data with their stimuli, fetched and checked
``extract``    every operation of a model: one pass (`trace`, `validate`) or a whole set (`extract_grams`, ...)
``compare``    RDMs, alignments, encoding, scores with noise ceilings and intervals, which op for which region
``view``       the annotated graph and the figures
``report``     everything a run found, on one page
``demo``       the main job, end to end; ``cli`` runs it from the shell
``labels``     names of dimensions, matching by id; ``errors`` what can be raised; ``cluster`` tasks on dask workers

`extract` and `compare` never import each other: they meet in labelled xarray objects.
"""

from neurolens.compare import (
    assign_regions,
    bootstrap_scores,
    compare_grams,
    compare_models,
    compare_ops,
    compare_predicted,
    compare_rdms,
    compare_searchlight,
    compute_grams,
    compute_ncsnr,
    compute_rdm_ceilings,
    compute_rdms,
    compute_searchlight_rdms,
    compute_split_half,
    compute_weights,
    fit_banded,
    fit_encoding,
    fit_reweighted_rdms,
    from_rsatoolbox,
    locate_peaks,
    normalize_scores,
    partition_variance,
    permute_encoding,
    permute_scores,
    read_rdms,
    split_stimuli,
    to_rsatoolbox,
    to_rsatoolbox_result,
    write_rdms,
)
from neurolens.datasets import Dataset, describe_dataset, list_datasets, load_dataset
from neurolens.extract import (
    Trace,
    Verdict,
    extract_activations,
    extract_grams,
    forecast,
    load_trace,
    open_activations,
    randomize,
    read_assembly,
    to_assembly,
    trace,
    validate,
    write_assembly,
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
    "bootstrap_scores",
    "compare_grams",
    "compare_models",
    "compare_ops",
    "compare_predicted",
    "compare_rdms",
    "compare_searchlight",
    "compute_grams",
    "compute_ncsnr",
    "compute_rdm_ceilings",
    "compute_rdms",
    "compute_searchlight_rdms",
    "compute_split_half",
    "compute_weights",
    "describe_dataset",
    "draw_graph",
    "extract_activations",
    "extract_grams",
    "fit_banded",
    "fit_encoding",
    "fit_reweighted_rdms",
    "forecast",
    "from_rsatoolbox",
    "list_datasets",
    "load_dataset",
    "load_stimuli",
    "load_trace",
    "locate_peaks",
    "normalize_scores",
    "open_activations",
    "partition_variance",
    "permute_encoding",
    "permute_scores",
    "plot_profile",
    "plot_rdms",
    "randomize",
    "read_assembly",
    "read_rdms",
    "split_stimuli",
    "to_assembly",
    "to_rsatoolbox",
    "to_rsatoolbox_result",
    "trace",
    "validate",
    "write_assembly",
    "write_rdms",
    "write_report",
]
