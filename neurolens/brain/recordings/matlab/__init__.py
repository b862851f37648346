"""MATLAB files: ``reading`` opens them, ``conversion`` and ``hdf5`` make plain objects of them.

``paths`` picks one variable by its path, and lists what a file holds.
"""
