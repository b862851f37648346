"""From labelled representations to scores: which op goes with which brain region.

``rdms``         dissimilarity matrices of activations, Grams or brain responses (``distances``, ``noise``: the
                 formulas; ``features``, ``responses``: checked arrays); ``searchlight``: around each voxel
``exchange``     RDMs to and from rsatoolbox, and its files
``similarity``   model RDMs against brain RDMs, with intervals and halves of the stimuli, over time (``timing``)
                 (``triangles``: squares to checked pair vectors; ``comparators``, ``weights``, ``whitening``,
                 ``concordance``, ``shapes``: the kernels)
``ceilings``     how well any model could do: RDMs; ``reliability``: responses, and scores divided by ceilings
``bootstrap``    scores with intervals and p for new stimuli and subjects (``resampling``: the arithmetic)
``differences``  ops, layers and models against each other
``permutation``  is there any similarity: one op, all ops and regions (``embeddings``), clusters on the graph
                 (``clusters``)
``regions``      which op for which region, chosen and scored on different stimuli; ``peaks``: how deep it lies
``models``       two models, or a model and a brain, from Grams or RDMs (``alignments``: CKA and kin)
``reweighting``  RDMs whose features or ops are weighted to fit (FR-RSA); ``predictions``: RDMs of predicted responses
                 (veRSA)
``encoding``     held-out prediction of each neuroid from each op (``splits``: what is held out together;
                 ``heldout``, ``ridge``, ``pls``: the kernels; ``accuracy``, ``pooling``: scores and ceilings;
                 ``halves``: fits within halves, and intervals); ``nulls``: is there any prediction, by permutation
``projection``   weights back to features
``banded``       several feature spaces: banded ridge, unique and shared variance
``results``      scores to rsatoolbox's result objects
``settings``     what all of them check and tell alike; ``shards``: groups of ops on the workers of a cluster
"""

from neurolens.compare.alignments import ALIGNMENTS
from neurolens.compare.banded import fit_banded, partition_variance
from neurolens.compare.bootstrap import bootstrap_scores
from neurolens.compare.ceilings import compute_rdm_ceilings
from neurolens.compare.comparators import COMPARATORS
from neurolens.compare.differences import compare_ops
from neurolens.compare.distances import METRICS
from neurolens.compare.encoding import fit_encoding
from neurolens.compare.exchange import from_rsatoolbox, read_rdms, to_rsatoolbox, write_rdms
from neurolens.compare.models import compare_grams, compare_models, compute_grams
from neurolens.compare.noise import NOISE_METRICS
from neurolens.compare.nulls import permute_encoding
from neurolens.compare.peaks import locate_peaks
from neurolens.compare.permutation import permute_scores
from neurolens.compare.predictions import compare_predicted
from neurolens.compare.projection import compute_weights
from neurolens.compare.rdms import compute_rdms
from neurolens.compare.regions import assign_regions
from neurolens.compare.reliability import compute_ncsnr, compute_split_half, normalize_scores
from neurolens.compare.results import to_rsatoolbox_result
from neurolens.compare.reweighting import fit_reweighted_rdms
from neurolens.compare.searchlight import compare_searchlight, compute_searchlight_rdms
from neurolens.compare.similarity import compare_rdms
from neurolens.compare.splits import split_stimuli

__all__ = [
    "ALIGNMENTS",
    "COMPARATORS",
    "METRICS",
    "NOISE_METRICS",
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
    "fit_banded",
    "fit_encoding",
    "fit_reweighted_rdms",
    "from_rsatoolbox",
    "locate_peaks",
    "normalize_scores",
    "partition_variance",
    "permute_encoding",
    "permute_scores",
    "read_rdms",
    "split_stimuli",
    "to_rsatoolbox",
    "to_rsatoolbox_result",
    "write_rdms",
]
