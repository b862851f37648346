"""The figures: ``profile`` for scores along the network, ``rdms`` for dissimilarity matrices.

``panels`` holds what they share, ``figure`` the figure that is displayed in a notebook.
"""
