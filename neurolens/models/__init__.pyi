from .identity import LoadedModel, ModelIdentity
from .listing import list_models
from .loading import load_model

__all__ = ["LoadedModel", "ModelIdentity", "list_models", "load_model"]
