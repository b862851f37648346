"""Figures of docs/concepts/, one a file; concepts.py draws them."""
