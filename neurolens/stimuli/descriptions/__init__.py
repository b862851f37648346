"""Objects as text that is equal in every process.

``preprocessing`` describes what a transform computes from; ``plain`` writes numbers, arrays and
containers, ``contents`` lists what objects hold, ``origins`` tells installed packages from the
user's own code.
"""
