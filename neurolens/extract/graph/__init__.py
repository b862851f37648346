"""Which ops ran and what fed them: plain records, no tensors.

``ops`` are the records, ``graph`` holds and finds them, ``layers`` is the rolled view, ``steps``
numbers the iterations of loops; ``build`` makes a graph of a recording, ``select`` chooses ops, by
the words that ``executions`` reads, ``table`` and ``flops`` describe each op, ``files`` stores a
trace, ``summaries`` are for notebooks.
"""
