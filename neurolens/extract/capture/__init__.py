"""Recording of one forward pass as a stream of op events.

``torch_calls`` describes torch's functions, ``call_sites`` and ``module_calls`` name the places
that call them, ``tensor_tracker`` follows tensors and keeps values before they are overwritten,
``events`` and ``trees`` are the records; ``interceptor`` intercepts each call, ``recorder`` records
functions, ``aten`` kernels; ``forward`` runs a model once, ``restore`` puts back what a pass
changes.
"""
