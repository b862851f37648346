"""Reducers, which make a result smaller before it is kept, one file each.

``base`` is what they have in common, ``chain`` applies several, ``table`` lists them by name.
"""
