"""Pages that stand outside docs/: README, changes, recipes, tables of benchmarks."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from places import ROOT, find_site_path, list_outside


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are Markdown."""
    for path in list_outside():
        if path.endswith(".md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            files.append(File.generated(config, find_site_path(path), content=text))
    return files
