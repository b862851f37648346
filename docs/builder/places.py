"""Where pages stand in the repository, and where on the site."""

from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOME = "README.md"

# Pages outside docs/, as patterns below the root. They keep their paths on the site.
OUTSIDE = (
    HOME,
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "datasets/README.md",
    "benchmarks/results/*.md",
    "tutorials/README.md",
    "tutorials/*.ipynb",
)


def list_outside() -> list[str]:
    """Return the paths, below the root, of pages outside docs/."""
    return [
        path.relative_to(ROOT).as_posix()
        for pattern in OUTSIDE
        for path in sorted(ROOT.glob(pattern))
    ]


def find_site_path(path: str) -> str:
    """Return where a file of the repository stands on the site.

    Parameters
    ----------
    path : str
        Below the root of the repository, such as ``"docs/rows.md"``.

    Returns
    -------
    str
        Below the root of the site's sources, such as ``"rows.md"``.
    """
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    place = PurePosixPath(path)
    return str(place.with_suffix(".md")) if place.suffix == ".ipynb" else path


def find_repository_path(site_path: str) -> str | None:
    """Return where a page of the site stands in the repository, None where it is made."""
    if (DOCS / site_path).is_file():
        return f"docs/{site_path}"
    for path in list_outside():
        if find_site_path(path) == site_path:
            return path
    return None
