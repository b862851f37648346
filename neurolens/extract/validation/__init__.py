"""Whether a recording is what the model computes.

``verdict`` asks all checks; ``replay`` runs ops again, ``perturb`` with other values, ``program``
all of them on new inputs; ``data_dependence`` finds what steers a pass unseen; ``findings`` is what
a check says.
"""
