"""The ``neurolens`` command, and whole analyses that it runs.

``app`` finds a subcommand and says how it ended, ``console`` is what a subcommand prints with,
``files`` writes results whole or not at all, ``tables`` sets rows in columns, ``parameters`` are
kinds of arguments and options that subcommands share; ``commands`` has a file for each subcommand.
``demo`` is the main job, end to end: `neurolens.cli.demo.run_demo`; ``analysis`` runs analyses
from files: `neurolens.cli.analysis.running.run_analysis`; ``doctor`` has the checks of
``neurolens doctor``.

This file imports nothing, so that help and completion answer at once.
"""
