"""The report: the interactive page with all results of a run, in one file.

``page``          `write_report`
``sections``      what stands below the graph
``downloads``     files that the page carries
``bibliography``  references as BibTeX
"""

from neurolens.report.page import write_report

__all__ = ["write_report"]
