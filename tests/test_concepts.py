"""Pages of docs/concepts/ show their figures and state the numbers that these were drawn from."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
IMAGES = DOCS / "images" / "concepts"
PAGES = sorted((DOCS / "concepts").glob("*.md"))
NUMBERS = json.loads((IMAGES / "numbers.json").read_text())


def read_text(name):
    """Return a page as one line."""
    return " ".join((DOCS / "concepts" / f"{name}.md").read_text().split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_shows_its_figure_with_a_text_in_its_place(page):
    shown = re.findall(r"!\[([^\]]+)\]\((\S+)\)", page.read_text())
    assert [target for _, target in shown] == [f"../images/concepts/{page.stem}.svg"]
    assert (IMAGES / f"{page.stem}.svg").is_file()
    assert len(shown[0][0]) > 60


def test_each_figure_has_its_page():
    assert {path.stem for path in IMAGES.glob("*.svg")} == {page.stem for page in PAGES}
    assert set(NUMBERS) == {page.stem for page in PAGES}


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_figure_has_a_white_ground_and_no_date(path):
    text = path.read_text()
    assert "fill: #ffffff" in text
    assert "<dc:date>" not in text


def write_fraction(value):
    """Return a number as the pages write it: .084, -.004."""
    return f"{value:.3f}".replace("0.", ".", 1)


def test_numbers_of_the_pages_are_those_of_the_figures():
    gram = NUMBERS["gram"]
    difference = f"{gram['largest difference of RDMs']:.0e}".replace("e-0", "e-")
    assert f"differs from that of the features by {difference}" in read_text("gram")
    sizes = f"{gram['GB of features']:.2f} GB of features, or {gram['GB of a Gram']:.3f} GB of Gram"
    assert sizes in read_text("gram")

    ceiling = NUMBERS["ceiling"]
    assert f"means over {ceiling['data sets']:.0f} data sets" in read_text("ceiling")
    assert ceiling["above the upper ceiling"] == 0
    assert f"Of {ceiling['scores']:.0f} scores none exceeds" in read_text("ceiling")

    choice = NUMBERS["honest_choice"]
    best, heldout = (write_fraction(choice[f"{name} of 175"]) for name in ("largest", "held out"))
    error = write_fraction(choice["two standard errors of that"])
    text = read_text("honest_choice")
    assert f"means of {choice['data sets']:.0f} data sets" in text
    assert f"The best of 175 scores {best} on the stimuli that chose it" in text
    assert f"{heldout} (± {error}) on others" in text

    company = NUMBERS["per_stimulus"]
    assert company["conv"] < 1e-5
    assert f"they move by up to {company['norm']:.1f}" in read_text("per_stimulus")

    words = {1: "one pass", 2: "two", 4: "four"}
    passes = NUMBERS["pass"]
    text = read_text("pass")
    assert f"With 256 MiB {words[passes['256MiB']]} over the set makes all Grams" in text
    assert f"with 96 MiB {words[passes['96MiB']]}; with 48 MiB {words[passes['48MiB']]}." in text
    assert NUMBERS["op"]["least in hook"] == 0 > -1.8 > NUMBERS["op"]["least in trace"]
