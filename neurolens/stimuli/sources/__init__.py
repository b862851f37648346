"""Sources of stimuli, told apart and read.

``reading`` tells them apart, and ``kinds`` what kind of stimuli their files are; ``folders``,
``tables`` and ``bricks`` (arrays in HDF5 files) read one sort each; ``labelling`` gives stimuli
their ids and metadata; ``checks`` are of settings.
"""
