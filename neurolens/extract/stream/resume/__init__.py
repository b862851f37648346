"""Runs over a set that start where the last one ended.

``script`` reads what a pass does, ``cuts`` chooses where to start, ``placeholders`` stand for what
is not computed, ``states`` keeps what is alive there, ``recorder`` follows such a pass, ``runs``
takes a series of runs through it.
"""
