"""The documentation site builds strictly, its links hold, and it needs no network."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from browser import open_browser, refuse_request
from page_blocks import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of a new site."""
    pytest.importorskip("mkdocs", reason="needs the extra 'docs'")
    folder = tmp_path_factory.mktemp("site")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_links_and_anchors_hold_and_nothing_is_loaded_from_the_network(site, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "builder"))
    check_site = importlib.import_module("check_site")
    faults, elsewhere, n_links = check_site.find_faults(site)
    assert faults == []
    assert n_links > 1000
    assert all(link.startswith(("http://", "https://", "mailto:")) for link in elsewhere)


def test_every_page_is_on_the_site(site):
    for path in sorted((ROOT / "docs").rglob("*.md")):
        place = path.relative_to(ROOT / "docs")
        if place.as_posix() == "gallery/notes.md":  # a part of the gallery's page
            continue
        name = "index.html" if place.stem == "README" else f"{place.stem}.html"
        assert (site / place.parent / name).is_file(), place
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        assert (site / "tutorials" / f"{path.stem}.html").is_file(), path


def test_the_search_knows_functions_and_pages(site):
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    places = {entry["location"] for entry in entries}
    assert "api/compare.html#neurolens.compare.compare_rdms" in places
    assert "howto/ceilings.html" in places
    assert (site / "search" / "search_index.js").is_file()


@contextmanager
def show_page(browser, path, *, width=1400, dark=False):
    """Open a page of the site from the disk; a request to the network fails the test."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(f"error: {error}"))
    page.on("request", lambda request: refuse_request(request, errors))
    page.goto(path.as_uri())
    try:
        yield page
        assert errors == []
    finally:
        context.close()


def test_the_search_works_from_the_disk_without_a_network(site):
    with (
        open_browser() as browser,
        show_page(browser, site / "howto" / "ceilings.html") as page,
    ):
        page.locator("[data-md-component='search-query']").press_sequentially("crossnobis")
        found = page.locator(".md-search-result__link[href*='compare.html?h=crossnobis#']")
        found.first.wait_for(state="attached", timeout=60_000)


@pytest.mark.parametrize("width", [390, 1400])
def test_pages_fit_a_phone_and_a_screen(site, width):
    with open_browser() as browser:
        for name in ("index.html", "api/compare.html", "tutorials/01_every_operation.html"):
            with show_page(browser, site / name, width=width, dark=width == 390) as page:
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, name
