from .brain_maps.surfaces import plot_surface
from .brain_maps.viewer import view_surface
from .brain_maps.volumes import plot_glass_brain, plot_slices
from .exchange.explorer import to_model_explorer
from .exchange.networks import to_networkx
from .exchange.plain import to_json
from .graph.drawing import Drawing, draw_graph
from .notebook.scores import show_scores
from .plots import (
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
