"""Pictures of scores.

``graph`` draws the annotated graph, ``plots`` the figures; ``annotation`` holds what scores say
about ops and regions, ``style`` colors, fonts and number formats.
"""

from neurolens.view.graph.dot import Drawing, draw_graph
from neurolens.view.plots.profile import plot_profile
from neurolens.view.plots.rdms import plot_rdms

__all__ = ["Drawing", "draw_graph", "plot_profile", "plot_rdms"]
