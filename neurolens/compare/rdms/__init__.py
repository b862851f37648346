"""Dissimilarity matrices.

``dissimilarity`` makes them, ``distances`` and ``crossnobis`` are the formulas, ``vectors`` turns
labelled squares into checked pairs, ``rsatoolbox`` exchanges them.
"""
