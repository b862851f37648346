"""Runs of a model over a whole stimulus set.

``layouts`` finds the stimuli in results, ``plan`` plans a run, ``batches`` reads stimuli ahead,
``follow`` checks a pass against the recorded one, ``passes`` repeats passes; ``fill`` runs a set
into a writer of ``stores``, ``grams`` adds up products, ``resume`` starts a pass where the last one
ended; ``workers`` divides a run.
"""
