"""Check a built site: links and anchors lead somewhere, and nothing is loaded from the network.

``python docs/builder/check_site.py site`` prints what is wrong, and how many pages and links there
are. The exit status is 1 where anything is wrong.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that make a browser load something when a page is shown.
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}
LOADED_LINKS = {"stylesheet", "icon", "preload", "preconnect", "manifest", "modulepreload"}
LOADED_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)['"]?(https?:)?//""")


class PageReader(HTMLParser):
    """Reads what a page links to, what it loads, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, links and what is loaded."""
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if found.get(name))
        if tag in ("a", "area") and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and LOADED_LINKS & set(found.get("rel", "").split()):
            self.loads.append(found.get("href", ""))
        self.loads += [found[name] for of, name in LOADED if of == tag and name in found]
        self.loads += [one.split()[0] for one in found.get("srcset", "").split(",") if one.strip()]


def is_elsewhere(target: str) -> bool:
    """Return whether a link leaves the site."""
    return bool(urlsplit(target).scheme or target.startswith("//"))


def find_faults(site: Path) -> tuple[list[str], set[str], int]:
    """Check all pages of a site.

    Parameters
    ----------
    site : Path
        The folder of the built site.

    Returns
    -------
    faults : list of str
        A line for each link that leads nowhere and each thing loaded from the network.
    elsewhere : set of str
        Links that leave the site. They are not followed.
    n_links : int
        Links inside the site.
    """
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = PageReader()
        pages[path].feed(path.read_text(encoding="utf-8"))
    faults: list[str] = []
    elsewhere: set[str] = set()
    n_links = 0
    for path, page in pages.items():
        name = path.relative_to(site)
        for target in [*page.links, *page.loads]:
            if target.startswith(("data:", "javascript:", "blob:")):
                continue
            if is_elsewhere(target):
                elsewhere.add(target)
                continue
            # The page of missing pages has links from the root of a server.
            if name.name == "404.html":
                continue
            n_links += 1
            faults += [f"{name}: {target}: {why}" for why in check_link(path, target, pages)]
        loaded = [one for one in page.loads if is_elsewhere(one) and not one.startswith("data:")]
        faults += [f"{name}: loads {one}" for one in loaded]
    for path in sorted(site.rglob("*.css")):
        if LOADED_STYLE.search(path.read_text(encoding="utf-8")):
            faults.append(f"{path.relative_to(site)}: loads from the network")
    return faults, elsewhere, n_links


def check_link(path: Path, target: str, pages: dict[Path, PageReader]) -> list[str]:
    """Return what is wrong with a link inside the site: nothing, or one reason."""
    parts = urlsplit(target)
    leads_to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if leads_to.is_dir():
        leads_to = leads_to / "index.html"
    if not leads_to.is_file():
        return ["no such file"]
    anchor = unquote(parts.fragment)
    if anchor and leads_to in pages and anchor not in pages[leads_to].anchors:
        return ["no such anchor"]
    return []


def main() -> int:
    """Check the site that the command line names."""
    site = Path(sys.argv[1]).resolve()
    faults, elsewhere, n_links = find_faults(site)
    n_pages = len(list(site.rglob("*.html")))
    for fault in faults:
        print(fault)
    if n_pages == 0:
        print(f"{site} holds no pages")
        return 1
    print(f"{n_pages} pages, {n_links} links inside the site, {len(elsewhere)} that leave it")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
