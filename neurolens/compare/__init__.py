"""From labelled representations to scores: which op goes with which brain region.

``inputs``     the input of users, read into checked arrays
``stats``      bootstrap, intervals, null distributions: pure arrays
``rdms``       dissimilarity matrices of activations, Grams or brain responses
``rsa``        model RDMs against brain RDMs, with ceilings, intervals and tests
``alignment``  Grams against Grams: CKA and related measures
``encoding``   held-out prediction of each neuroid from each op
``selection``  best op per region, its depth, contrasts between ops, shares of noise ceilings
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
