"""Grams of models against Grams of brains or of other models: CKA and kin.

``measures`` are the formulas, ``grams`` compares with brains, ``models`` with other models.
"""
