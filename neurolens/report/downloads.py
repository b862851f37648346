"""Files that the page carries; tables and pictures of what is on screen it writes itself."""

from collections.abc import Mapping
from typing import Any


def list_downloads(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return name, kind and text of each file."""
    entries = [one["bibtex"] for one in document["references"] if one["bibtex"]]
    files = [
        {"name": "methods.txt", "kind": "text/plain", "text": "\n\n".join(document["methods"])},
        {"name": "references.bib", "kind": "text/x-bibtex", "text": "\n\n".join(entries)},
    ]
    return [file for file in files if file["text"]]
