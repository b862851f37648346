"""The house rules that a machine can check."""

import ast
from pathlib import Path

import pytest

import neurolens

PACKAGE = Path(neurolens.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# room -> rooms it may import from
MAY_IMPORT = {
    "errors": set(),
    "labels": {"errors"},
    "stimuli": {"errors", "labels"},
    "cluster": {"errors"},
    "extract": {"errors", "labels", "stimuli", "cluster"},
    "compare": {"errors", "labels", "cluster"},
    "datasets": {"errors", "labels", "stimuli"},
    "view": {"errors", "labels", "extract"},
    "report": {"errors", "labels", "extract", "view"},
    "demo": {"errors", "labels", "stimuli", "extract", "compare", "datasets", "view", "report"},
    "cli": {"errors", "datasets", "demo"},
    "__init__": {"stimuli", "extract", "compare", "datasets", "view", "report"},
}
# view reads the plain records of a graph and nothing else of extract
GRAPH_ONLY = {"view", "report"}


def find_room(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def list_imports(path):
    """Return every module of this package that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] == "neurolens"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_room_imports_only_what_it_may(path):
    room = find_room(path)
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT what it may import, and in the maps what it is"
    for name in list_imports(path):
        parts = name.split(".")
        if len(parts) > 1 and parts[1] in MAY_IMPORT and parts[1] != room:
            assert parts[1] in MAY_IMPORT[room], f"{path.name} imports {name}"
            if room in GRAPH_ONLY and parts[1] == "extract" and len(parts) > 2:
                assert parts[2] == "graph", f"{path.name} imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if find_room(p) == "view"], ids=lambda p: p.name)
def test_view_does_not_import_torch(path):
    text = path.read_text()
    assert "import torch" not in text
    assert "from torch" not in text


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_outgrows_its_idea(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_init_only_re_exports(path):
    body = ast.parse(path.read_text()).body
    allowed = (ast.Expr, ast.ImportFrom, ast.Assign)
    assert all(isinstance(node, allowed) for node in body)
    names = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    assert names in ([], ["__all__"])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_public_name_is_documented():
    for name in neurolens.__all__:
        assert getattr(neurolens, name).__doc__, name


def test_every_room_is_on_the_maps():
    readme = (PACKAGE.parent / "README.md").read_text()
    for room in {find_room(p) for p in FILES} - {"__init__"}:
        assert f"``{room}``" in neurolens.__doc__, f"{room} is not on the map in neurolens/__init__.py"
        assert room in readme, f"{room} is not on the README's map"


def test_datasets_folder_is_not_a_package():
    assert not (PACKAGE.parent / "datasets" / "__init__.py").exists()
