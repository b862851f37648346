"""Pictures of what was found.

``layout`` decides what is visible, ``columns`` where it stands, ``annotation`` what scores say about it; ``cards``
and ``dot`` write it for Graphviz, ``engines`` runs Graphviz; ``plots`` draws profiles and RDMs; ``style`` holds
colours, fonts and number formats for all of them.
"""

from neurolens.view.dot import Drawing, draw_graph
from neurolens.view.plots import plot_profile, plot_rdms

__all__ = ["Drawing", "draw_graph", "plot_profile", "plot_rdms"]
