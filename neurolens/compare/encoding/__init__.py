"""Held-out prediction of each neuroid from each op.

``fit`` is the front, ``cross_validation`` predicts folds, ``ridge``, ``pls`` and ``banded`` are the
models; ``split_half`` fits within halves, ``accuracy`` says how good predictions are, ``ceilings``
how reliable responses are, ``explainable`` what that leaves to explain, ``aggregate`` pools
neuroids; ``weights`` back to features, ``permutation`` tests, ``predicted_rsa`` compares RDMs of
predictions.
"""
