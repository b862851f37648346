"""The navigation: folders stand for their pages."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Expand the entries of ``nav`` that are folders."""
    pages = sorted(file.src_uri for file in files.documentation_pages())
    config.nav = [expand(entry, pages) for entry in config.nav or []]
    return files


def expand(entry: Any, pages: list[str]) -> Any:
    """Return an entry of the navigation with lists of pages in the place of folders."""
    if isinstance(entry, dict):
        return {title: expand(below, pages) for title, below in entry.items()}
    if isinstance(entry, list):
        return [expand(one, pages) for one in entry]
    if not entry.endswith("/"):
        return entry
    names = sorted(page for page in pages if page.startswith(entry))
    # The page of the folder itself comes first.
    return sorted(names, key=lambda page: not page.endswith(("index.md", "README.md")))
