"""Batches of stimuli: prepared, padded to one length, and stacked.

``preparation`` gives one stimulus to the transform, ``inputs`` pads and stacks stimuli of one or
several inputs, ``masks`` tells which positions of padded stimuli count.
"""
