"""Benchmarks are scripts beside the package: their folder is put on the path for each test."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Return what imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module
