"""Pictures of scores.

``structure``   what a picture of a graph shows, free of how it is drawn
``layout``      where everything stands, as docs/layout.md specifies it
``graph``       the annotated graph as a file
``page``        the interactive page, one file
``plots``       the figures
``brain_maps``  maps on surfaces and in volumes
``notebook``    scores as a notebook shows them
``exchange``    graphs with scores for other programs
``style``       colors, fonts and number formats
``annotation``  what scores say about ops and regions, ready to draw
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
