"""Runs over a set that start where the last one ended.

``script`` reads what a pass does, ``cuts`` chooses where to start, ``placeholders`` stand for what
is not computed, ``states`` keeps what is alive there, ``spills`` writes that to files, ``recorder``
follows such a pass, ``failures`` tells what can end it, ``runs`` takes a series of runs through it.
"""
