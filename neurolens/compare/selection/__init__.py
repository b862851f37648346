"""Best ops per region, their depth and contrasts between ops, from any scores.

``regions``    an op for each region, chosen and scored on different stimuli
``depth``      how deep the best op lies
``contrasts``  differences between ops, layers or models
``normalize``  shares of noise ceilings
``draws``      scores of resampled data, read in the same way for all of these
``choice``     which op has the largest score: pure arrays
``heldout``    intervals of scores on stimuli that were not used for the choice
"""
