"""Ratios of costs that matter, and which of them moved by more than the noise.

``measures``   what is measured: each ratio is ours over a base, in the same rounds
``repeats``    repeats of each ratio, as JSON
``alarms``     how often a run without any change would call a ratio moved
``judgement``  whether two sets of repeats differ by more than the noise
"""
