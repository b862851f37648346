"""Whole analyses from a file: checked before they start, with a lock of what made them.

``keys`` is the table of all that a file can say, of the ``kinds`` of values; ``reference`` writes
it down. ``documents`` reads a file, ``settings`` completes it by defaults, and ``checks`` finds
contradictions, unknown names and missing files. ``script`` is the analysis as Python, which
``running`` runs. ``evidence`` says what was used, ``locks`` compares that with earlier results, and
``folders`` fills the folder of results. ``templates`` are examples for a start.

`neurolens.cli.analysis.running.run_analysis` is the main function. This file imports nothing, so
that examples are written at once.
"""
