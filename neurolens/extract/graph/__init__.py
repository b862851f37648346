"""What ran and what fed what: plain records, no tensors.

``ops`` are the records, ``graph`` holds and finds them, ``layers`` is the rolled view; ``build``
makes a graph of a recording, ``select`` chooses ops, ``table`` and ``flops`` tell all there is,
``files`` keeps a trace.
"""
