"""From any scores: ``regions`` chooses an op for each, ``depth`` says how deep it lies, ``contrasts``
compares ops, ``normalize`` divides by ceilings.
"""
