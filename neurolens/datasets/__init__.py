"""Brain data with their stimuli: recipes are found, their files fetched and checked, and loaded.

``cards`` finds recipes and reads their cards, ``loading`` holds `load_dataset` and what it returns.
``fetching`` finds the files of a data set: ``downloads`` continues and checks them, ``archives``
unpacks them, ``folders`` shows them to the recipes, and ``paths`` keeps every name inside its
folder. Recipes share ``volumes``, which reads the box around voxels, ``neuroids``, which labels
these, ``trials``, which joins subjects, ``blocks``, which averages time series, ``rdms``, which
reads published ones, and ``nsd``, the files of the Natural Scenes Dataset.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
