"""Grams of all ops within a memory budget.

``plan`` cuts results into slices and passes, ``products`` multiplies, ``sums`` adds up and checks
that nothing lacks, ``results`` labels.
"""
