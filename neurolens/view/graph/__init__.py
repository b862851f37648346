"""The annotated graph.

``layout`` decides what is visible, ``columns`` where it is placed, ``cards`` and ``dot`` write it
for Graphviz, ``engines`` runs Graphviz.
"""
