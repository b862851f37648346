"""The figures: ``profile`` scores along the network, ``rdms`` dissimilarity matrices.

``panels`` what they share; ``figure`` the figure that shows itself in a notebook.
"""
