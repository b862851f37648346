"""Recording of one forward pass as a stream of op events.

``modules`` says what is passed as a model, what it is made of and which of its modules runs;
``calls`` describes torch's functions and the places that call them; ``tracking`` follows tensors
and keeps values before they are overwritten; ``events`` and ``trees`` are the records;
``interceptor`` intercepts each call, ``recorder`` records functions, ``aten`` kernels; ``forward``
runs a model once, ``restore`` puts back what a pass changes; ``memory`` measures what work takes,
``differences`` how far results of two batches differ.
"""
