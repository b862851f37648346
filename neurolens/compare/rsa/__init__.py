"""Model RDMs against brain RDMs.

``sides`` reads both and compares them, ``compare`` scores them, ``ceilings`` bounds the scores,
``bootstrap`` and ``permutation`` infer, ``searchlight`` makes an RDM around each voxel,
``reweighting`` fits weights, ``rsatoolbox`` converts results; ``comparators`` are the formulas.
"""
