"""Held-out prediction of each neuroid from each op.

``fit`` is the front, ``cross_validation`` predicts folds, ``ridge``, ``pls`` and ``banded`` are the
models; ``split_half`` fits within halves, ``aggregate`` pools neuroids, ``accuracy`` and
``ceilings`` say how good predictions are and could be; ``weights`` back to features,
``permutation`` tests, ``predicted_rsa`` compares RDMs of predictions.
"""
