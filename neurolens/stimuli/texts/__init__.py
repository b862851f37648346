"""Texts as stimuli.

``settings`` says what of each text is a stimulus, ``units`` finds words and windows.
"""
