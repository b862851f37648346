"""Pictures of what was found.

``graph``  the annotated graph; ``plots`` the figures; ``annotation`` what scores say about ops and
regions; ``style`` colours, fonts and number formats.
"""

from neurolens.view.graph.dot import Drawing, draw_graph
from neurolens.view.plots.profile import plot_profile, plot_rdms

__all__ = ["Drawing", "draw_graph", "plot_profile", "plot_rdms"]
