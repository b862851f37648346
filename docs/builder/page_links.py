"""Links that hold in the repository hold on the site.

A page links to other files as they stand in the repository. On the site a link to a page leads to
that page; a link to a file that is not on the site becomes its path in the repository.
"""

import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from places import ROOT, find_repository_path, find_site_path

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
ELSEWHERE = ("http://", "https://", "mailto:")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    source = find_repository_path(page.file.src_uri)
    if source is None:
        return markdown
    pieces = re.split(r"(^`{3,}.*?^`{3,}[ ]*$)", markdown, flags=re.MULTILINE | re.DOTALL)
    for place in range(0, len(pieces), 2):  # the others are code
        pieces[place] = LINK.sub(
            lambda match: translate(match, source, page.file.src_uri, files), pieces[place]
        )
    return "".join(pieces)


def translate(match: re.Match[str], source: str, page: str, files: Files) -> str:
    """Return a link as it must be on the site."""
    mark, text, target, anchor = match.groups(default="")
    if target.startswith(ELSEWHERE):
        return match.group()
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    for found in (find_site_path(path), posixpath.join(find_site_path(path), "README.md")):
        if files.get_file_from_path(found) is not None:
            place = posixpath.relpath(found, posixpath.dirname(page) or ".")
            return f"{mark}[{text}]({place}{anchor})"
    if (ROOT / path).exists() and not mark:
        return text if text.strip("`") == path else f"{text} (`{path}`)"
    return match.group()
