"""Rules of the code that a machine can check: imports, sizes, complexity."""

import ast
import re
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import neurolens

PACKAGE = Path(neurolens.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "_recipes" not in p.parts)
FOLDERS = sorted({p.parent for p in FILES})
ROOMS = sorted({p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in FILES})
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

MAX_LINES = 400
MAX_WIDTH = 100
MAX_ENTRIES = 13
MAX_COMPLEXITY = 15
MAX_ARGUMENTS = 10
# Public functions all of whose arguments are decisions that only the user can make.
MANY_ARGUMENTS = {
    "compare_partial_rdms",
    "compare_rdms",
    "estimate_responses",
    "extract_activations",
    "extract_grams",
    "fit_encoding",
    "fit_rdm_regression",
    "fit_test_sets",
    "forecast",
    "permute_encoding",
    "permute_rdms",
    "write_report",
}

# room -> rooms that it may import from
MAY_IMPORT = {
    "errors": set(),
    "labels": {"errors"},
    "scores": {"errors", "labels"},
    "support": {"errors"},
    "stimuli": {"errors", "labels", "support"},
    "extract": {"errors", "labels", "stimuli", "support"},
    "compare": {"errors", "labels", "scores", "support"},
    "models": {"errors", "labels", "extract"},
    "brain": {"errors", "labels", "compare"},
    "datasets": {"errors", "labels", "support", "stimuli", "brain"},
    # of brain: where values of a map stand, so that a picture shows what write_map writes
    "view": {"errors", "labels", "scores", "support", "extract", "brain"},
    "report": {"errors", "labels", "scores", "extract", "view"},
    "cli": {
        "errors", "labels", "scores", "stimuli", "brain", "extract", "compare", "datasets", "models",
        "view", "report", "support",
    },
    "__init__": {
        "errors", "labels", "scores", "stimuli", "brain", "extract", "compare", "datasets", "models",
        "view", "report", "support",
    },
}  # fmt: skip
# Within a room: a floor may import from those below it and from itself. What is not in a folder
# stands on the highest floor.
FLOORS = {
    "extract": [{"capture"}, {"graph"}, {"validation", "reducers"}, {"stream"}],
    "compare": [
        {"stats"}, {"inputs"}, {"rdms"}, {"rsa"}, {"encoding", "alignment"}, {"selection"},
    ],
}  # fmt: skip
# view reads the plain records of a graph and nothing else of extract
GRAPH_ONLY = {"view", "report"}
PLAIN_RECORDS = {"ops", "graph", "layers"}


def name_file(path):
    return str(path.relative_to(PACKAGE))


def find_room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parse(path):
    return ast.parse(path.read_text())


def list_files(room):
    return [path for path in FILES if find_room(path) == room]


def name_module(path):
    parts = ("neurolens", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_module(path): path for path in FILES}


def list_exports(path):
    """Return (module, name) of each line of the stub beside an __init__, which says what is where.

    ``from .folder.module import name`` and, at the top, ``from . import room``.
    """
    stub = path.with_suffix(".pyi")
    if path.name != "__init__.py" or not stub.exists():
        return []
    package = name_module(path)
    lines = [node for node in parse(stub).body if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 1 for node in lines), f"{stub}: imports from elsewhere"
    return [
        (f"{package}.{node.module}" if node.module else package, alias.name)
        for node in lines
        for alias in node.names
    ]


def list_imports(path):
    """Return every module of this package that a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else node.module)
    for module, name in list_exports(path):
        full = f"{module}.{name}"
        found.add(full if full in MODULES else module)
    return {name for name in found if name in MODULES}


def may_import(room, name):
    """Return whether a file of a room may import a module."""
    _, *parts = name.split(".")
    if not parts or parts[0] == room:
        return True
    if room in GRAPH_ONLY and parts[0] == "extract" and len(parts) > 1:
        return parts[1] == "graph" and set(parts[2:3]) <= PLAIN_RECORDS
    return parts[0] in MAY_IMPORT[room]


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_imports_only_what_it_may(room):
    assert room in MAY_IMPORT, f"{room} is new: say in MAY_IMPORT what it may import"
    for path in list_files(room):
        foreign = [name for name in list_imports(path) if not may_import(room, name)]
        assert not foreign, f"{name_file(path)} imports {', '.join(foreign)}"


def find_floor(room, name):
    """Return the floor of a module in its room, and its folder."""
    parts = name.split(".")
    floors = FLOORS[room]
    for height, folders in enumerate(floors):
        if len(parts) > 3 and parts[2] in folders:
            return height, parts[2]
    return len(floors), ""


@pytest.mark.parametrize("room", FLOORS)
def test_no_floor_imports_from_above(room):
    above = []
    for path in list_files(room):
        floor, folder = find_floor(room, name_module(path))
        for name in list_imports(path) if path.name != "__init__.py" else ():
            if name.split(".")[1] == room:
                height, other = find_floor(room, name)
                if height >= floor and other != folder:
                    above.append(f"{name_file(path)} imports {name}")
    assert not above


def test_no_circle_of_files():
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, " -> ".join([*under_way[under_way.index(name) :], name])
        if name in done:
            return
        under_way.append(name)
        for other in sorted(list_imports(MODULES[name]) - {name}):
            visit(other)
        under_way.pop()
        done.add(name)

    for name in MODULES:
        visit(name)


def test_view_does_not_import_torch():
    texts = {path: path.read_text() for path in list_files("view")}
    found = [path for path, text in texts.items() if "import torch" in text or "from torch" in text]
    assert not [name_file(path) for path in found]


def test_a_folder_is_read_at_a_glance():
    for folder in FOLDERS:
        entries = [
            p for p in folder.iterdir() if p.suffix == ".py" or (p.is_dir() and any(p.glob("*.py")))
        ]
        assert len(entries) <= MAX_ENTRIES + 1, name_file(folder)  # and its __init__


def test_a_file_is_one_idea():
    for path in FILES:
        assert len(path.read_text().splitlines()) <= MAX_LINES, name_file(path)
        assert ast.get_docstring(parse(path)), f"{name_file(path)} does not say what it is"


def test_lines_are_short():
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= MAX_WIDTH, f"{name_file(path)}:{number}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_is_hidden_by_a_name(room):
    for path in list_files(room):
        if path.name != "__init__.py" or path.parent == PACKAGE:
            continue
        exported = {name for _, name in list_exports(path)}
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom):
                exported.update(alias.asname or alias.name for alias in node.names)
        modules = {p.stem for p in path.parent.iterdir() if p.suffix == ".py" or p.is_dir()}
        assert not exported & modules, name_file(path)


def is_swap(node):
    """Return whether an assignment only exchanges what its targets hold."""
    before = {ast.unparse(one) for one in node.value.elts}
    return before == {ast.unparse(one) for one in node.targets[0].elts}


@pytest.mark.parametrize("room", ROOMS)
def test_a_statement_is_one_idea(room):
    for path in list_files(room):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                packed = isinstance(node.targets[0], ast.Tuple) and not is_swap(node)
                assert not packed, f"{name_file(path)}:{node.lineno} packs assignments"
            if isinstance(node, COMPREHENSIONS):
                inner = [one for one in ast.walk(node) if isinstance(one, COMPREHENSIONS)]
                assert len(inner) == 1, f"{name_file(path)}:{node.lineno} nests comprehensions"


def list_functions(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(parse(path)) if isinstance(node, kinds)]


def count_complexity(function):
    """Return 1 and its branches, loops, handlers, ternaries, comprehensions, boolean operators."""
    branches = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.Assert)
    total = 1
    for node in ast.walk(function):
        if isinstance(node, branches):
            total += 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
    return total


@pytest.mark.parametrize("room", ROOMS)
def test_functions_are_simple(room):
    for path in list_files(room):
        for function in list_functions(path):
            found = count_complexity(function)
            assert found <= MAX_COMPLEXITY, f"{name_file(path)}: {function.name} has {found}"


@pytest.mark.parametrize("room", ROOMS)
def test_functions_take_few_arguments(room):
    for path in list_files(room):
        for function in list_functions(path):
            n_arguments = len(function.args.args) + len(function.args.kwonlyargs)
            if not function.name.startswith("_") and function.name not in MANY_ARGUMENTS:
                assert n_arguments <= MAX_ARGUMENTS, f"{name_file(path)}: {function.name}"


LAZY = ("__getattr__", "__dir__", "__all__")
STUBS = sorted(PACKAGE.rglob("*.pyi"))
IMPORTED_ROOM = r"from neurolens import (\w+) as \1"


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: name_file(p.parent)
)
def test_init_only_re_exports(path):
    """An __init__ holds imports and ``__all__``, or hands what its stub lists to lazy_loader."""
    body = parse(path).body
    if path.with_suffix(".pyi").exists():
        lines = [ast.unparse(node) for node in body[1:]]
        if path.parent == PACKAGE:  # whose rooms are there, though empty, from the start
            lines = [line for line in lines if not re.fullmatch(IMPORTED_ROOM, line)]
        assert lines == [
            "import lazy_loader",
            f"{', '.join(LAZY)} = lazy_loader.attach_stub(__name__, __file__)",
        ]
        return
    assert all(isinstance(node, (ast.Expr, ast.ImportFrom, ast.Assign)) for node in body)
    names = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    assert names in ([], ["__all__"])


@pytest.mark.parametrize("path", STUBS, ids=name_file)
def test_a_stub_lists_what_its_package_exports_and_nothing_else(path):
    *imports, exported = parse(path).body
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert ast.unparse(exported.targets[0]) == "__all__"
    names = [name for _, name in list_exports(path.with_suffix(".py"))]
    assert sorted(ast.literal_eval(exported.value)) == sorted(names)
    package = import_module(name_module(path.with_suffix(".py")))
    assert sorted(names) == sorted(package.__all__) == sorted(dir(package))
    for name in names:
        assert getattr(package, name) is not None


def test_every_public_name_is_documented_and_few_are_at_the_top():
    public = {name: getattr(neurolens, name) for name in neurolens.__all__}
    rooms = [name for name, value in public.items() if isinstance(value, ModuleType)]
    assert len(public) - len(rooms) <= 32
    assert len(rooms) <= 12
    for name, value in public.items():
        assert value.__doc__, name


def test_every_room_is_on_the_maps():
    readme = (PACKAGE.parent / "README.md").read_text()
    for room in {find_room(p) for p in FILES} - {"__init__"}:
        assert f"``{room}``" in neurolens.__doc__, f"{room} is not on the package's map"
        assert f"neurolens/{room}" in readme, f"{room} is not on the README's map"


def test_every_folder_of_a_room_is_told_by_the_room():
    for folder in FOLDERS:
        if len(folder.relative_to(PACKAGE).parts) == 2:
            told = ast.get_docstring(parse(folder.parent / "__init__.py"))
            assert f"``{folder.name}``" in told, (
                f"{name_file(folder)} is not in its room's docstring"
            )


def test_tests_stand_where_what_they_test_stands():
    """A test file under tests/ROOM is named for a module at the same place."""
    tests = PACKAGE.parent / "tests"
    for room in ("extract", "compare", "view", "report", "stimuli", "datasets"):
        for path in (tests / room).rglob("test_*.py"):
            place = path.relative_to(tests)
            module = PACKAGE / place.parent / f"{path.stem.removeprefix('test_')}.py"
            assert module.exists(), f"{place} tests no module of that name"


def test_no_private_name_is_imported():
    found = Counter()
    for path in FILES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neurolens"):
                names = [alias.name for alias in node.names if alias.name != "__version__"]
                found.update(name for name in names if name.startswith("_"))
    assert not found


def test_datasets_folder_is_not_a_package():
    assert not (PACKAGE.parent / "datasets" / "__init__.py").exists()
