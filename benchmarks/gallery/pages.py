"""Screens of interactive pages: a window, a notebook, a slide, a phone."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from gallery.pictures import pick_theme, shrink_png

# Width and height in pixels, and the color scheme.
SCREENS = {
    "page": (1400, 900, "light"),
    "page_dark": (1400, 900, "dark"),
    "notebook": (900, 720, "light"),
    "slide": (1920, 1080, "light"),
    "phone": (390, 844, "light"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def take_screens(drawing: Any, folder: Path, name: str) -> list[str]:
    """Save the page of a drawing as seen in each window; nothing without a browser."""
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        print("no screens: Playwright or a Chromium is missing")
        return []
    files = []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page_file = drawing.save(Path(scratch) / "page.html")
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=browser, args=options)
        for screen, (width, height, scheme) in SCREENS.items():
            page = chromium.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(page_file.as_uri())
            page.wait_for_timeout(500)
            path = folder / f"{name}_{screen}.png"
            page.screenshot(path=path)
            shrink_png(path, theme=pick_theme(path.name))
            files.append(path.name)
            page.close()
        chromium.close()
    return files
