"""The report: the interactive page with all results of a run, in one file.

``page``          `write_report`
``sections``      what stands below the graph
``downloads``     files that the page carries
``bibliography``  references as BibTeX
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
