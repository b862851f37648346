"""From labelled representations to scores: which op goes with which brain region.

``inputs``     the input of users, read into checked arrays
``stats``      bootstrap, intervals, null distributions: pure arrays
``rdms``       dissimilarity matrices of activations, Grams or brain responses
``rsa``        model RDMs against brain RDMs, with ceilings, intervals and tests
``alignment``  Grams against Grams: CKA and related measures
``encoding``   held-out prediction of each neuroid from each op
``selection``  best op per region, its depth, contrasts between ops, shares of noise ceilings
"""

from neurolens.compare.alignment.grams import compare_grams, compute_grams
from neurolens.compare.alignment.measures import ALIGNMENTS
from neurolens.compare.alignment.models import compare_models
from neurolens.compare.alignment.spectrum import compute_spectrum
from neurolens.compare.encoding.banded import fit_banded, partition_variance
from neurolens.compare.encoding.ceilings import compute_ncsnr, compute_split_half
from neurolens.compare.encoding.encoders.files import load_encoder, save_encoder
from neurolens.compare.encoding.encoders.generalization import fit_test_sets
from neurolens.compare.encoding.encoders.prediction import predict_responses
from neurolens.compare.encoding.encoders.weights import compute_encoding_weights
from neurolens.compare.encoding.fit import fit_encoding
from neurolens.compare.encoding.permutation import permute_encoding
from neurolens.compare.encoding.predicted_rsa import compare_predicted
from neurolens.compare.inputs.folds import split_stimuli
from neurolens.compare.rdms.crossnobis import NOISE_METRICS
from neurolens.compare.rdms.dissimilarity import compute_rdms
from neurolens.compare.rdms.distances import METRICS
from neurolens.compare.rdms.metadata import compute_metadata_rdms
from neurolens.compare.rdms.rsatoolbox import from_rsatoolbox, to_rsatoolbox
from neurolens.compare.rsa.bootstrap import bootstrap_rdms
from neurolens.compare.rsa.ceilings.splits import compute_split_ceilings
from neurolens.compare.rsa.ceilings.subjects import compute_rdm_ceilings
from neurolens.compare.rsa.comparators.table import COMPARATORS
from neurolens.compare.rsa.compare import compare_rdms
from neurolens.compare.rsa.permutation import permute_rdms
from neurolens.compare.rsa.regression.fit import fit_rdm_regression
from neurolens.compare.rsa.regression.partial import compare_partial_rdms
from neurolens.compare.rsa.reweighting import fit_reweighted_rdms
from neurolens.compare.rsa.rsatoolbox import to_rsatoolbox_result
from neurolens.compare.rsa.searchlight import compare_searchlight, compute_searchlight_rdms
from neurolens.compare.selection.bars import tabulate_models
from neurolens.compare.selection.ceilings import add_ceilings
from neurolens.compare.selection.contrasts import compare_ops
from neurolens.compare.selection.depth import locate_peaks
from neurolens.compare.selection.generalization import compare_test_sets
from neurolens.compare.selection.networks import compare_choices
from neurolens.compare.selection.normalize import normalize_scores
from neurolens.compare.selection.regions import assign_regions

__all__ = [
    "ALIGNMENTS",
    "COMPARATORS",
    "METRICS",
    "NOISE_METRICS",
    "add_ceilings",
    "assign_regions",
    "bootstrap_rdms",
    "compare_choices",
    "compare_grams",
    "compare_models",
    "compare_ops",
    "compare_partial_rdms",
    "compare_predicted",
    "compare_rdms",
    "compare_searchlight",
    "compare_test_sets",
    "compute_encoding_weights",
    "compute_grams",
    "compute_metadata_rdms",
    "compute_ncsnr",
    "compute_rdm_ceilings",
    "compute_rdms",
    "compute_searchlight_rdms",
    "compute_spectrum",
    "compute_split_ceilings",
    "compute_split_half",
    "fit_banded",
    "fit_encoding",
    "fit_rdm_regression",
    "fit_reweighted_rdms",
    "fit_test_sets",
    "from_rsatoolbox",
    "load_encoder",
    "locate_peaks",
    "normalize_scores",
    "partition_variance",
    "permute_encoding",
    "permute_rdms",
    "predict_responses",
    "save_encoder",
    "split_stimuli",
    "tabulate_models",
    "to_rsatoolbox",
    "to_rsatoolbox_result",
]
