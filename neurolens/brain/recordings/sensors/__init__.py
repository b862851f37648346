"""Recordings of MNE-Python: ``epochs`` makes responses of them, ``events`` matches tables to them.

``channels`` chooses and labels sensors, ``files`` opens files.
"""
