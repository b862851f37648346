"""Statistics on pure arrays, without labels.

``bootstrap`` draws stimuli and subjects, ``influences`` are what each stimulus adds to a score to
first order, ``jackknife`` leaves observations out, ``intervals`` and
``null`` turn draws into intervals and p values, ``model_sets`` finds which scores cannot be told
from the largest, ``orders`` tests whether values rise along an order, ``graph_clusters`` joins ops
that are linked, ``correlation`` and ``linalg`` are kernels.
"""
