"""Models of the field's libraries by name, with the preprocessing they were trained with.

``loading`` holds the main function and ``listing`` the table of what there is; ``names`` reads
names, ``identity`` says which model it is, ``weights`` reads weights from files, ``processors``
makes preprocessing of processors; ``sources`` has a file for each library.
"""

from neurolens.models.identity import LoadedModel, ModelIdentity
from neurolens.models.listing import list_models
from neurolens.models.loading import load_model

__all__ = ["LoadedModel", "ModelIdentity", "list_models", "load_model"]
