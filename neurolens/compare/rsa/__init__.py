"""Model RDMs against brain RDMs.

``sides`` reads both and compares them, ``compare`` scores them, ``ceilings`` bounds the scores,
``bootstrap`` and ``permutation`` infer, ``searchlight`` goes around each voxel, ``reweighting``
fits weights, ``rsatoolbox`` passes results on; ``comparators`` are the formulas.
"""
