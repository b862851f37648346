"""Scores, which say how well each op fits each region, in one form for every method.

Functions that make scores call `build_scores`; functions that take scores call `read_scores`.

``form``     variables and dimensions of scores, and how they are built
``methods``  contents of the attributes: methods, measures, intervals, ceilings, references
``reading``  how scores are read, or refused with an error that says what to do
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
