"""What each response shows: ``events`` reads tables of events, ``entities`` names of files.

``layouts`` finds images in BIDS datasets by their entities, ``partners`` the events, confounds and
timing of each, and ``found_files`` hands them on. ``tables`` opens tables of text and tells
numbers from labels; ``onsets`` and ``confounds`` read those of time series.
"""
