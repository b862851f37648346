"""The position of the stimuli in every result, and the names of its other axes.

``layout`` describes one result, ``matching`` finds the axis of the stimuli from two batches,
``dims`` follows the names of axes, ``finding`` does so for all results of a model.
"""
