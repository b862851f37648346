"""Brain data in and out: responses from files of images or arrays, and maps of results as images.

``reading`` holds `read_responses`, ``estimating`` `estimate_responses`, ``writing`` `write_map` and
`read_map`; ``steps`` averages repeats, standardizes, detrends and selects neuroids, and says so;
``selecting`` keeps some regions. ``images`` opens images of brains, ``labelling`` says what each
response shows, and finds files, ``glm`` models time series, ``maps`` makes files of results,
``recordings`` reads what is no image, and ``rdms`` reads and writes published RDMs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
