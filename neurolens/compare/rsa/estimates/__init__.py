"""Scores over all stimuli, over draws and over halves, and how they vary: pure arrays."""
