"""Where the results of a run go, and how they were made.

``writer`` labels results and keeps them in memory, ``store`` writes them to disk, ``opening`` reads
them from there, ``provenance`` says how a result was made.
"""
