from .cards import describe_dataset, list_datasets
from .loading import Dataset, load_dataset

__all__ = ["Dataset", "describe_dataset", "list_datasets", "load_dataset"]
