"""Checks that a recording is what the model computes.

``verdict`` runs all checks; ``replay`` runs ops again, ``perturb`` with other values, ``program``
all of them on new inputs; ``data_dependence`` finds what steers a pass without being in the graph;
``findings`` are the results of checks.
"""
