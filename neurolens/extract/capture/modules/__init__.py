"""Modules of a model: what is passed as one (``models``), its ``parts``, and ``module_calls``."""
