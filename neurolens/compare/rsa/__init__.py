"""Model RDMs against brain RDMs.

``compare`` scores them, ``ceilings`` bounds the scores, ``bootstrap`` and ``permutation`` infer,
``searchlight`` goes around each voxel, ``reweighting`` fits weights, ``rsatoolbox`` hands results
on; ``comparators`` are the formulas.
"""
