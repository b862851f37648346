"""Models of the field's libraries by name, with the preprocessing they were trained with.

``loading`` holds the main function and ``listing`` the table of what there is; ``names`` reads
names, ``identity`` says which model it is, ``weights`` reads weights from files, ``processors``
makes preprocessing of processors; ``sources`` has a file for each library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
