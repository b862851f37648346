"""One op after the other, a part of its features in memory at a time.

``features`` reads them in blocks of stimuli, ``sources`` chooses how an op is solved, ``fits``
holds the results of all ops.
"""
