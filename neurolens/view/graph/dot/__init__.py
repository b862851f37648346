"""The graph for Graphviz, which places the boxes by its own rules.

``text`` and ``labels`` write DOT, without any program; ``engines`` run Graphviz.
"""
