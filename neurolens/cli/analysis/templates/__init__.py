"""Examples of files of analyses, with a comment on each line.

``examples`` names them.
"""

from neurolens.cli.analysis.templates.examples import TEMPLATES, read_template

__all__ = ["TEMPLATES", "read_template"]
