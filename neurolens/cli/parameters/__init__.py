"""Kinds of arguments and options that subcommands share.

``bundles``    several options as one argument of a subcommand
``functions``  FILE.py:FUNCTION, a function in a user's own file
``networks``   MODEL: by name, or a function in a user's own file
``inputs``     what a model is shown once, to list or validate its operations
``stimuli``    STIMULI: a folder, a table, an array, or those of a data set
``brains``     BRAIN: a data set, or files of responses or RDMs
``results``    files that subcommands write, and read again
"""
