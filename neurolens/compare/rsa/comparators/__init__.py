"""How two RDMs are compared: one row of ``table`` each.

``moments`` of pairs when stimuli are counted several times, of their ``ranks``, ``whitened``;
``kendall`` and ``bures``; ``quadratic`` forms for permutations.
"""
