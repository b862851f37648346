"""Best ops per region, their depth and contrasts between ops, from any scores.

``regions``        an op for each region, and the score of such a choice on other stimuli
``depth``          how deep the best op lies
``contrasts``      differences between ops, layers or models
``networks``       differences between networks, each with its choice of ops
``generalization`` differences between test sets of one fit
``bars``           what a bar figure of several models shows
``ceilings``       noise ceilings put into scores
``normalize``      shares of noise ceilings
``draws``          scores of resampled data, read in the same way for all of these
``choice``         which op has the largest score: pure arrays
``halves``         choices on halves of the stimuli, and their scores on the other halves
``heldout``        intervals of scores on stimuli that were not used for the choice
``ties``           ops that cannot be told apart from the best one, and choices in doubt
"""
