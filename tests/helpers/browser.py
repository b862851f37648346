"""A real browser for tests of the page; tests skip with a sentence where there is none."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


def find_chromium():
    """Return the path of an installed browser; skip the test without one."""
    named = os.environ.get("NEUROLENS_CHROMIUM")
    for path in filter(None, [named, *map(shutil.which, NAMES)]):
        if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip("no Chromium is installed: set NEUROLENS_CHROMIUM to the path of one")


@contextmanager
def open_browser():
    """Start a browser; skip the test where Playwright or the browser is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    path = find_chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


def expect_count(page, selector, count):
    """Fail unless so many elements are there soon: a page may draw after a click has returned."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_count(count)


@contextmanager
def open_page(browser, path, *, width=1400, height=900, dark=False, address="", **settings):
    """Open a file; everything that the page reports as an error fails the test."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        accept_downloads=True,
        **settings,
    )
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("request", lambda request: refuse_request(request, errors))
    page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}") or dialog.dismiss())
    page.goto(f"{path.as_uri()}{address}")
    page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")
    try:
        yield page
        assert errors == []
    finally:
        context.close()


def refuse_request(request, errors):
    """The page may load itself and nothing else."""
    if not request.url.startswith(("file:", "data:", "blob:", "about:")):
        errors.append(f"fetched {request.url}")
