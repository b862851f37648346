"""What works on this machine, and what to do about the rest.

``findings`` is the form of what a check tells, ``packages`` looks at Python and what is installed,
``devices`` at processors, memory and GPUs, ``places`` at folders and the mirror, ``surroundings``
at the network, variables, terminal and Graphviz; ``trial`` runs a small analysis whose answer is
known; ``examination`` runs all of them, and turns a check that raises into a finding.
"""

from neurolens.cli.doctor.examination import examine
from neurolens.cli.doctor.findings import Finding

__all__ = ["Finding", "examine"]
