"""Model RDMs against brain RDMs.

``sides`` reads both and compares them, ``compare`` scores them, ``ceilings`` bounds the scores,
``bootstrap`` and ``permutation`` infer, from ``estimates``; ``searchlight`` makes an RDM around
each voxel and ``searchlight_time`` one for each time, ``reweighting`` fits weights, ``regression``
compares several RDMs at once, ``rsatoolbox`` converts results; ``comparators`` are the formulas.
"""
