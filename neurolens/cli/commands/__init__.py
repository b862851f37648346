"""The subcommands, a file each.

Each file holds a click command of the name ``command``; ``neurolens.cli.app`` has their table, and
imports a file when its subcommand is called. What takes long to import is imported by the function
that needs it, so that ``--help`` and completion answer at once.

``networks``    models, ops, validate
``extraction``  forecast, extract, grams
``scoring``     rdms, compare, encode, report
"""
