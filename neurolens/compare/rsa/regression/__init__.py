"""Several RDMs at once: what one explains beyond others.

``partial`` compares RDMs given control RDMs, ``fit`` is multiple regression on RDMs; ``residuals``,
``weighted_ranks``, ``coefficients``, ``held_out`` and ``freedman_lane`` are the formulas.
"""
