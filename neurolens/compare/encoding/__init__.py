"""Held-out prediction of each neuroid from each op.

``fit`` holds the main function and ``cross_validation`` predicts the folds; ``ridge``, ``pls`` and
``banded`` are the models; ``split_half`` fits within halves of the stimuli; ``accuracy`` measures
predictions, ``ceilings`` the reliability of responses, ``explainable`` the share of variance that
can be explained; ``aggregate`` averages over neuroids; ``weights`` turns dual weights into weights
of features; ``permutation`` tests; ``predicted_rsa`` compares RDMs of predictions.
"""
