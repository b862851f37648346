"""An analysis as a Python script.

``sections`` writes it part by part, ``results`` the part that writes files, and ``calls`` calls of
functions, values and paths as text.
"""

from neurolens.cli.analysis.script.sections import Section, join_sections, write_sections

__all__ = ["Section", "join_sections", "write_sections"]
