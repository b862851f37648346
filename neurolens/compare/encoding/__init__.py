"""Held-out prediction of each neuroid from each op.

``fit`` holds the main function, ``ops`` goes through the ops and ``cross_validation`` predicts
the folds; ``models`` are linear models and the accuracy of their predictions, ``banded`` has
several feature spaces; ``split_half`` fits within halves of the stimuli; ``ceilings`` are the
reliability of responses, ``explainable`` the share of variance that can be explained, which
``normalized`` divides by; ``aggregate`` averages over neuroids; ``encoders`` are fits that are used
on other stimuli: weights of features, predictions, files, named test sets; ``permutation`` tests;
``predicted_rsa`` compares RDMs of predictions.
"""
