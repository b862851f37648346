"""Runs of a model over a whole stimulus set.

``axes`` and ``dims`` find and name the axes of results, ``plan`` plans a run, ``batches`` reads
stimuli ahead, ``follow`` checks a pass against the recorded one, ``passes`` repeats passes;
``fill`` runs a set into a ``writer``, ``store`` is one on disk, ``grams`` adds up products;
``provenance`` says how a result was made, ``workers`` divides a run, ``memory`` measures it.
"""
