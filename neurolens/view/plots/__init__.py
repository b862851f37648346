"""The figures, one function each; each draws what one function of ``compare`` returns.

``profile``         scores along the network
``times``           scores over time
``rdms``            dissimilarity matrices
``matrix``          op against op, model against model
``generalization``  time against time
``embedding``       ops and regions in a plane
``comparison``      models beside each other
``partition``       variance that feature spaces explain
``null``            scores under permutation
``reliability``     reliability of neuroids
``scree``           spectra and effective dimensionality

``canvas`` holds what they share, ``parts`` what belongs to single ones.
"""

from neurolens.view.plots.comparison import plot_models
from neurolens.view.plots.embedding import plot_embedding
from neurolens.view.plots.generalization import plot_generalization
from neurolens.view.plots.matrix import plot_model_matrix, plot_op_matrix
from neurolens.view.plots.null import plot_null
from neurolens.view.plots.partition import plot_partition
from neurolens.view.plots.profile import plot_profile
from neurolens.view.plots.rdms import plot_rdms
from neurolens.view.plots.reliability import plot_reliability
from neurolens.view.plots.scree import plot_scree
from neurolens.view.plots.times import plot_times

__all__ = [
    "plot_embedding",
    "plot_generalization",
    "plot_model_matrix",
    "plot_models",
    "plot_null",
    "plot_op_matrix",
    "plot_partition",
    "plot_profile",
    "plot_rdms",
    "plot_reliability",
    "plot_scree",
    "plot_times",
]
