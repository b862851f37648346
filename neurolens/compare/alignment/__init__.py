"""Alignment of Grams of models with Grams of brains or of other models: CKA and related measures.

``measures`` holds the formulas, ``grams`` compares with brains, ``models`` with other models;
``spectrum`` says how many dimensions each has.
"""
