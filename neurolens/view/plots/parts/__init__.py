"""Parts of single plots.

``bands``    modules along the network, and which of their names have room
``curves``   scores of models, read and put in order, for profiles
``strips``   ties, significance and peaks under the axis of a profile
``matrices`` dissimilarity matrices, read and put in order
``borders``  categories and pictures along matrices
``scaling``  multidimensional scaling
"""
