"""The stimuli shown to the model and the brain, by id.

``loading`` makes a set from any source; ``sources`` tells sources apart and finds the files, ids
and metadata of folders and tables; ``rows`` reads arrays and Datasets, ``ids`` writes ids as text.
``sets`` holds the set and reads it; ``batches`` makes batches of stimuli that are several inputs,
and pads them. ``media`` says what all pictures, sounds and videos can do, ``pictures``, ``sounds``,
``videos`` and ``texts`` how each kind is read, ``views`` shows them to people. ``descriptions``
says what a transform computes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
