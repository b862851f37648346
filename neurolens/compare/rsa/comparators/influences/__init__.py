"""The influence of each stimulus on the similarity of two RDMs, without draws: pure arrays.

Units are stimuli, or groups of them. For ranks the influence of a unit is a derivative: where unit
i weighs w_i, the pair of two stimuli weighs the product of their weights, as in ``moments``, and
the influence is the derivative of the similarity by w_i, where all are 1. So it is for Bures, of
points that weigh w_i. For products it is what
the similarity changes by where the unit is left out, times (u - 1) / u for u units: derivatives
there make standard errors that are too small in small samples, because a few large dissimilarities
matter most.
"""
