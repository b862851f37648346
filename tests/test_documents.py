"""README, docs and tables agree with the files that they refer to."""

import re
from pathlib import Path

import pytest
import torchvision

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/results/*.md")]
)


def read_verdicts():
    """Return the verdict of each row of docs/conformance.md, by group."""
    found, group = {}, None
    for line in (ROOT / "docs" / "conformance.md").read_text().splitlines():
        if line.startswith("## "):
            group = line[3:]
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 6 and cells[5] in (
            "verified",
            "unverified",
            "failed",
            "error",
            "crashed",
            "skipped",
        ):
            found.setdefault(group, []).append((cells[1], cells[5]))
    return found


def test_counts_of_the_conformance_page_are_those_of_its_rows_and_of_the_readme():
    rows = [row for group in read_verdicts().values() for row in group]
    counts = {
        kind: sum(verdict == kind for _, verdict in rows) for kind in ("verified", "unverified")
    }
    assert len(rows) == sum(counts.values())
    text = (ROOT / "docs" / "conformance.md").read_text()
    assert f"{counts['verified']} verified, {counts['unverified']} unverified" in text
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert (
        f"lists {len(rows)} models traced and validated ({counts['verified']} verified, "
        f"{counts['unverified']} unverified, with the reason)" in readme
    )


def test_the_conformance_page_holds_every_model_of_torchvision():
    names = [name for name, _ in read_verdicts()["torchvision"]]
    assert len(names) == len(set(names))
    # A later torchvision may have more.
    assert len(set(torchvision.models.list_models()) & set(names)) == len(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_commands_that_pages_name_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for goal in re.findall(r"`make ([a-z]+)`", page.read_text()):
            assert re.search(rf"^{goal}:", makefile, re.MULTILINE), (page.name, goal)
        for script in re.findall(r"`(benchmarks/\w+\.py)", page.read_text()):
            assert (ROOT / script).is_file(), (page.name, script)


@pytest.mark.parametrize(
    "page", sorted((ROOT / "benchmarks" / "results").glob("*.md")), ids=lambda p: p.stem
)
def test_factors_of_a_table_are_those_of_its_ratios(page):
    for ratio, factor in re.findall(
        r"([0-9.]+) \([0-9.]+ to [0-9.]+\): ([0-9.]+)x", page.read_text()
    ):
        digits = len(factor.split(".")[1]) if "." in factor else 0
        # The ratio is rounded too.
        low, high = (1 / (float(ratio) + sign * 5e-4) for sign in (1, -1))
        assert round(low, digits) <= float(factor) <= round(high, digits)
        assert digits > 0 or float(factor) >= 10
