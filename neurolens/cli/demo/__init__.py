"""The main analysis, end to end.

``analysis`` holds `run_demo`, ``tables`` writes its table.
"""

from neurolens.cli.demo.analysis import run_demo

__all__ = ["run_demo"]
