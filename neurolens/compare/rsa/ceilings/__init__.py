"""Noise ceilings of scores that compare RDMs.

``subjects`` are those from other subjects, ``splits`` those from repeated presentations, also of
one subject; ``bounds`` are the parts of each subject, also when stimuli are drawn anew, and
``influences`` those of stimuli on them.
"""
