"""Statistics on pure arrays, without labels.

``bootstrap`` draws stimuli and subjects, ``intervals`` and ``null`` turn draws into intervals and
p values, ``graph_clusters`` joins ops that are linked, ``correlation`` and ``linalg`` are kernels.
"""
