"""Sounds as stimuli.

``settings`` says which part of each is taken and at what rate, ``files`` reads files, which
``containers`` checks to be whole, and ``waveforms`` resamples.
"""
