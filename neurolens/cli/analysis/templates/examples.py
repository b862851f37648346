"""The examples by name."""

from pathlib import Path

from neurolens.labels import check_name

# Name -> what it is.
TEMPLATES = {
    "rsa": "RDMs of a network and of a planted brain; runs as it stands, offline",
    "encoding": "prediction of a planted brain; runs as it stands, offline",
    "real": "a trained network against human IT and early visual cortex (92 photographs)",
    "own": "your own model, pictures and responses",
}


def read_template(kind: str) -> str:
    """Return the text of an example.

    Raises
    ------
    UnknownNameError
        There is no such example.
    """
    check_name(kind, TEMPLATES, "example")
    return (Path(__file__).parent / f"{kind}.toml").read_text(encoding="utf-8")
