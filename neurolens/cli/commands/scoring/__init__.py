"""RDMs, their comparison with brain data, encoding models, and reports."""
