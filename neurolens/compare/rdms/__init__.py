"""Dissimilarity matrices.

``dissimilarity`` makes them, ``distances`` and ``crossnobis`` are the formulas, ``metadata`` makes
model RDMs from tables that ``metadata_tables`` reads, ``vectors`` turns labelled squares into
checked pairs, ``rsatoolbox`` exchanges them.
"""
