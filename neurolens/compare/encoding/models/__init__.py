"""Linear models of many voxels, all from one spectrum of the predictors: pure tensors.

``spectrum`` solves on the smaller side, features or stimuli; ``ridge`` and ``pls`` fit in its
basis; ``products`` has the spectrum of features that are summed over blocks, ``left_out`` chooses
a penalty from these by folds; ``penalties`` holds the grid of penalties and tells where its ends
were chosen; ``bands`` has a kernel and a penalty for each of several feature spaces; ``accuracy``
measures predictions.
"""
