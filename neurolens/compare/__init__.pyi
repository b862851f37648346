from .alignment.grams import compare_grams, compute_grams
from .alignment.measures import ALIGNMENTS
from .alignment.models import compare_models
from .alignment.spectrum import compute_spectrum
from .encoding.banded import fit_banded, partition_variance
from .encoding.ceilings import compute_ncsnr, compute_split_half
from .encoding.encoders.files import load_encoder, save_encoder
from .encoding.encoders.generalization import fit_test_sets
from .encoding.encoders.prediction import predict_responses
from .encoding.encoders.weights import compute_encoding_weights
from .encoding.fit import fit_encoding
from .encoding.permutation import permute_encoding
from .encoding.predicted_rsa import compare_predicted
from .inputs.folds import split_stimuli
from .rdms.crossnobis import NOISE_METRICS
from .rdms.dissimilarity import compute_rdms
from .rdms.distances import METRICS
from .rdms.metadata import compute_metadata_rdms
from .rdms.rsatoolbox import from_rsatoolbox, to_rsatoolbox
from .rsa.bootstrap import bootstrap_rdms
from .rsa.ceilings.splits import compute_split_ceilings
from .rsa.ceilings.subjects import compute_rdm_ceilings
from .rsa.comparators.table import COMPARATORS
from .rsa.compare import compare_rdms
from .rsa.permutation import permute_rdms
from .rsa.regression.fit import fit_rdm_regression
from .rsa.regression.partial import compare_partial_rdms
from .rsa.reweighting import fit_reweighted_rdms
from .rsa.rsatoolbox import to_rsatoolbox_result
from .rsa.searchlight import compare_searchlight, compute_searchlight_rdms
from .selection.bars import tabulate_models
from .selection.ceilings import add_ceilings
from .selection.contrasts import compare_ops
from .selection.depth import locate_peaks
from .selection.generalization import compare_test_sets
from .selection.networks import compare_choices
from .selection.normalize import normalize_scores
from .selection.regions import assign_regions

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
