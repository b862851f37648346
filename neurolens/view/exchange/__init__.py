"""Graphs with their scores for other programs: docs/exchange.md says what is in each.

``content`` reads graph and scores, ``documents`` are what is written; ``plain`` is JSON of our own,
``explorer`` files for Model Explorer, ``networks`` a graph of networkx.
"""
