"""From labelled representations to scores: which op goes with which brain region.

``rdms``         dissimilarity matrices of activations, Grams or brain responses (``distances``: the formulas)
``exchange``     RDMs to and from rsatoolbox
``similarity``   model RDMs against brain RDMs, with intervals and halves of the stimuli
                 (``triangles``: squares to checked pair vectors; ``comparators``, ``weights``: the kernels)
``ceilings``     how well any model could do
``encoding``     held-out prediction of each neuroid from each op (``sources``: kernels and responses by id;
                 ``splits``: what is held out together; ``heldout``, ``ridge``, ``pls``: the kernels; ``accuracy``,
                 ``pooling``: scores and ceilings)
``projection``   weights back to features
``banded``       several feature spaces: banded ridge, unique and shared variance
``regions``      which op for which region, chosen and scored on different stimuli
"""

from neurolens.compare.banded import fit_banded, partition_variance
from neurolens.compare.ceilings import compute_rdm_ceilings
from neurolens.compare.comparators import COMPARATORS
from neurolens.compare.distances import METRICS
from neurolens.compare.encoding import fit_encoding
from neurolens.compare.exchange import from_rsatoolbox, to_rsatoolbox
from neurolens.compare.projection import compute_weights
from neurolens.compare.rdms import compute_rdms
from neurolens.compare.regions import assign_regions
from neurolens.compare.similarity import compare_rdms
from neurolens.compare.splits import split_stimuli

__all__ = [
    "COMPARATORS",
    "METRICS",
    "assign_regions",
    "compare_rdms",
    "compute_rdm_ceilings",
    "compute_rdms",
    "compute_weights",
    "fit_banded",
    "fit_encoding",
    "from_rsatoolbox",
    "partition_variance",
    "split_stimuli",
    "to_rsatoolbox",
]
