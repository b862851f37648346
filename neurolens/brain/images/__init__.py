"""Images of brains: ``opening`` opens NIfTI, GIFTI and CIFTI files by what they are.

``volumes``, ``surfaces`` and ``cifti`` each hold one kind of image, ``grids`` and ``grayordinates``
the places that they have numbers for, ``streams`` the bytes. ``regions`` says which places are
neuroids, with the names in ``labels``, and ``values`` reads them.
"""
