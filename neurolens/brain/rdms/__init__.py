"""Published RDMs: ``reading`` finds them in files, ``writing`` writes them.

``squares`` makes checked squares of arrays, ``naming`` gives them regions, subjects and ids;
``tables``, ``matlab`` and ``meadows`` open files.
"""
