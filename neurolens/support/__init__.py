"""What rooms share beside labels and errors.

``parallel`` runs tasks on dask workers, ``tensor_files`` writes and reads files of tensors,
``disk`` writes large new files past the cache of the system, ``heap`` has the C library keep freed
memory, ``progress`` shows bars, ``tables`` writes what notebooks show, ``sizes`` reads sizes in
bytes, ``units`` brings very large and small numbers near 1, ``versions`` says which version this
is.
"""
