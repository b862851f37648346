"""How time and memory grow: what is measured, how exponents are fitted, the page and its picture.

``growth``       exponents of sizes and values, and whether they are as expected
``study``        one call against one size, and what was measured of it
``running``      each measurement in a process of its own
``networks``     studies of passes: trace, forecast, activations, Grams, drawings
``comparisons``  studies of RDMs, their comparison and permutation
``encodings``    studies of ridge regression and its permutation
``files``        measurements as JSON
``page``         docs/scaling.md
``picture``      docs/images/scaling.svg
"""
