"""The position of the stimuli in every result, and the names of its other axes.

``layout`` describes one result, ``matching`` finds the axis of the stimuli from two batches,
``axes`` names axes, ``dims`` follows their names through an op and ``naming`` from the inputs to
all results, ``finding`` finds the layouts of a model and ``reading`` those of a run.
"""
