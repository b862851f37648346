"""The table of models that can be loaded by name."""

import pandas as pd

from neurolens.errors import InputError, MissingToolError
from neurolens.labels import check_name
from neurolens.models.sources import images, vision

ROWS = {"torchvision": vision.list_rows, "timm": images.list_rows}
COLUMNS = ("name", "n_parameters", "input_size", "weights", "licence")


def list_models(pattern: str = "*", *, source: str | None = None) -> pd.DataFrame:
    """List models of torchvision and, where it is installed, timm.

    Parameters
    ----------
    pattern : str
        What their names in the source match, with ``*`` and ``?``; a text without these matches
        the names that hold it.
    source : str, optional
        "torchvision" or "timm" alone.

    Returns
    -------
    DataFrame
        A row per model: ``name``, as `load_model` takes it; ``source``; ``n_parameters`` and
        ``input_size`` (side in pixels), missing where the source does not state them; ``weights``,
        names of the trained ones, "" for none; ``licence``.

    Raises
    ------
    InputError
        ``pattern`` is no text.
    UnknownNameError
        ``source`` is unknown.
    MissingToolError
        ``source`` names a library that is not installed.

    Notes
    -----
    Models of Hugging Face and torch.hub are too many to list; name their repository.

    Examples
    --------
    >>> list_models("resnet1*", source="torchvision")[["name", "n_parameters", "input_size"]]
                        name  n_parameters  input_size
    0  torchvision/resnet101      44549160         224
    1  torchvision/resnet152      60192808         224
    2   torchvision/resnet18      11689512         224
    """
    if not isinstance(pattern, str):
        raise InputError(f"pattern must be a text such as 'resnet*', got {pattern!r}")
    if source is not None:
        check_name(source, ROWS, "source of models")
    if not set("*?[") & set(pattern):
        pattern = f"*{pattern}*"
    rows = []
    for name, list_rows in ROWS.items():
        if source not in (None, name):
            continue
        try:
            found = list_rows(pattern)
        except MissingToolError:
            if source is not None:
                raise
            continue
        rows += [{**row, "source": name} for row in found]
    table = pd.DataFrame(rows, columns=[COLUMNS[0], "source", *COLUMNS[1:]])
    whole = {"n_parameters": "Int64", "input_size": "Int64"}
    return table.astype(whole)
