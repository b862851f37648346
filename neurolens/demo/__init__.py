"""The main analysis, end to end, and the ``neurolens`` command that runs it.

``analysis`` holds `run_demo`, ``tables`` writes its table, ``command`` reads the command line.
"""

from neurolens.demo.analysis import run_demo

__all__ = ["run_demo"]
