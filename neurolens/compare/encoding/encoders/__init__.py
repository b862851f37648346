"""Encoders: fits to one set of stimuli that are used on others.

``weights`` makes an encoder of dual weights; ``sources`` says what the features of an op are and
how they were made, and refuses others; ``prediction`` predicts responses to new stimuli; ``files``
writes and reads encoders. ``generalization`` fits to training stimuli and scores on test sets by
name: ``named_sets`` reads which those are, ``set_scores`` has their scores and intervals.
"""
