"""Where the results of a run go, and how they were made.

``writer`` labels results and keeps them in memory, ``store`` writes them to disk, ``opening`` reads
them from there, ``provenance`` says how a result was made. Of a store on disk, ``making`` makes the
files, ``headers`` and ``chunks`` know their form, ``record`` reads how it was made, ``repair``
finds damage, ``checked`` refuses it when it is read, and ``labels`` puts it into words.
"""
