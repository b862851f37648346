"""From any scores: which op for which region, how deep, better than which other.

``regions``    an op for each region, chosen and scored on different stimuli
``depth``      how deep the best op lies
``contrasts``  differences between ops, layers or models
``normalize``  shares of noise ceilings
``draws``      scores of resampled data, read alike for all of these
``choice``     which op has the largest score: pure arrays
``heldout``    intervals of scores on the stimuli that did not choose
"""
