"""The annotated graph.

``layout`` decides what is visible, ``columns`` where it stands, ``cards`` and ``dot`` write it for
Graphviz, ``engines`` runs Graphviz.
"""
