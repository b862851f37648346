"""The report: the results of a run on one page.

``page`` writes it from ``report.html``; ``sections`` makes its tables and pictures, ``methods`` the
methods paragraph.
"""

from neurolens.report.page import write_report

__all__ = ["write_report"]
