"""Everything a run found, on one page: ``page`` writes it."""

from neurolens.report.page import write_report

__all__ = ["write_report"]
