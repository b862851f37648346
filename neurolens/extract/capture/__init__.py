"""Recording of one forward pass as a stream of op events.

``parts`` lists what a model is made of, ``calls`` describes torch's functions and the places that
call them, ``module_calls`` the modules, ``tensor_tracker`` follows tensors and keeps values before
they are overwritten (``overlap`` tells which are), ``events`` and ``trees`` are the records;
``interceptor`` intercepts each call, ``recorder`` records functions, ``aten`` kernels; ``forward``
runs a model once, ``restore`` puts back what a pass changes; ``memory`` measures what work takes.
"""
