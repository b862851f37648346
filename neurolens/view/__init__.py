"""Pictures of scores.

``structure``   what a picture of a graph shows, free of how it is drawn
``layout``      where everything stands, as docs/layout.md specifies it
``graph``       the annotated graph as a file
``page``        the interactive page, one file
``plots``       the figures
``brain_maps``  maps on surfaces and in volumes
``notebook``    scores as a notebook shows them
``exchange``    graphs with scores for other programs
``style``       colors, fonts and number formats
``annotation``  what scores say about ops and regions, ready to draw
"""

from neurolens.view.brain_maps.surfaces import plot_surface
from neurolens.view.brain_maps.viewer import view_surface
from neurolens.view.brain_maps.volumes import plot_glass_brain, plot_slices
from neurolens.view.exchange.explorer import to_model_explorer
from neurolens.view.exchange.networks import to_networkx
from neurolens.view.exchange.plain import to_json
from neurolens.view.graph.drawing import Drawing, draw_graph
from neurolens.view.notebook.scores import show_scores
from neurolens.view.plots import (
    plot_embedding,
    plot_generalization,
    plot_model_matrix,
    plot_models,
    plot_null,
    plot_op_matrix,
    plot_partition,
    plot_profile,
    plot_rdms,
    plot_reliability,
    plot_scree,
    plot_times,
)

__all__ = [
    "Drawing",
    "draw_graph",
    "plot_embedding",
    "plot_generalization",
    "plot_glass_brain",
    "plot_model_matrix",
    "plot_models",
    "plot_null",
    "plot_op_matrix",
    "plot_partition",
    "plot_profile",
    "plot_rdms",
    "plot_reliability",
    "plot_scree",
    "plot_slices",
    "plot_surface",
    "plot_times",
    "show_scores",
    "to_json",
    "to_model_explorer",
    "to_networkx",
    "view_surface",
]
