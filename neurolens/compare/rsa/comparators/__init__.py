"""Comparators of RDMs, one row of ``table`` each.

``moments`` of pairs when stimuli are counted several times, moments of ``ranks``, ``whitened``
products; ``kendall`` and ``bures``; ``quadratic`` forms for permutations; ``influences`` of each
stimulus.
"""
