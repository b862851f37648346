"""From labelled representations to scores: which op goes with which brain region.

``rdms``         dissimilarity matrices of activations, Grams or brain responses (``distances``, ``noise``:
                 the formulas; ``features``, ``responses``: checked arrays); ``searchlight``: around each voxel
``exchange``     RDMs to and from rsatoolbox, and its files
``similarity``   model RDMs against brain RDMs, with intervals and halves of the stimuli, over time (``timing``)
                 (``triangles``: squares to checked pair vectors; ``comparators``, ``weights``, ``whitening``,
                 ``concordance``, ``shapes``: the kernels)
``models``       two models, or a model and a brain, from Grams or RDMs (``alignments``: CKA and kin)
``reweighting``  RDMs whose features or ops are weighted to fit (FR-RSA), and RDMs of predicted responses (veRSA)
``ceilings``     how well any model could do: RDMs; ``reliability``: responses, and scores divided by ceilings
``regions``      which op for which region, chosen and scored on different stimuli
"""

from neurolens.compare.alignments import ALIGNMENTS
from neurolens.compare.ceilings import compute_rdm_ceilings
from neurolens.compare.comparators import COMPARATORS
from neurolens.compare.distances import METRICS
from neurolens.compare.exchange import from_rsatoolbox, read_rdms, to_rsatoolbox, write_rdms
from neurolens.compare.models import compare_grams, compare_models, compute_grams
from neurolens.compare.noise import NOISE_METRICS
from neurolens.compare.rdms import compute_rdms
from neurolens.compare.regions import assign_regions
from neurolens.compare.reliability import compute_ncsnr, compute_split_half, normalize_scores
from neurolens.compare.reweighting import compare_predicted, fit_reweighted_rdms
from neurolens.compare.searchlight import compare_searchlight, compute_searchlight_rdms
from neurolens.compare.similarity import compare_rdms

__all__ = [
    "ALIGNMENTS",
    "COMPARATORS",
    "METRICS",
    "NOISE_METRICS",
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
    "fit_reweighted_rdms",
    "from_rsatoolbox",
    "normalize_scores",
    "read_rdms",
    "to_rsatoolbox",
    "write_rdms",
]
