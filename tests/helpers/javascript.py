"""Runs the page's modules in Node, which stands for the browser where nothing is drawn."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import neurolens

ASSETS = Path(neurolens.__file__).parent / "view" / "page" / "assets"


def run_javascript(script: str, given, folder: Path):
    """Return what ``script``, the body of a function of ``given``, returns; both are JSON.

    The script may import from ``"./assets/..."`` in its first lines.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed, so the page's modules are not run here")
    shutil.copytree(ASSETS, folder / "assets", dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "given.json").write_text(json.dumps(given))
    imports = [line for line in script.splitlines() if line.startswith("import ")]
    body = [line for line in script.splitlines() if not line.startswith("import ")]
    text = "\n".join(
        [
            'import { readFileSync, writeFileSync } from "node:fs";',
            *imports,
            'const given = JSON.parse(readFileSync("given.json", "utf-8"));',
            "const run = (given) => {",
            *body,
            "};",
            'writeFileSync("result.json", JSON.stringify(run(given)));',
        ]
    )
    (folder / "main.js").write_text(text)
    done = subprocess.run([node, "main.js"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "result.json").read_text())
