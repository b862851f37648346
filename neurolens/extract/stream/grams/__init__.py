"""Grams of all ops within a memory budget.

``plan`` decides which results get a Gram, ``slices`` divides them among passes, ``products``
multiplies, ``sums`` adds up and checks that nothing is missing, ``results`` labels.
"""
