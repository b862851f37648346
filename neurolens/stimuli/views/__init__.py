"""Stimuli shown to people.

``thumbnails`` are small pictures of single stimuli, ``figures`` puts them together for matplotlib,
``notebooks`` for the page of a notebook.
"""
