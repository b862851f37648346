"""Responses that are no images.

``arrays`` reads arrays and tables, with a name for each axis; ``matlab`` opens MATLAB files,
``sensors`` recordings of MNE-Python; ``spikes`` counts spikes; ``assemblies`` and
``stimulus_sets`` are BrainIO's files; ``bins`` are time bins.
"""
