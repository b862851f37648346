"""Representations in notebooks: ``scores`` is a table of the best ops of each region."""
