"""How a call ends where something happens that nothing foresaw."""

import json

import pytest

from neurolens.cli.app import main


def raise_later(monkeypatch, error):
    def fail(*values, **settings):
        raise error

    monkeypatch.setattr("neurolens.models.list_models", fail)


def test_an_error_that_nothing_foresaw_ends_with_a_sentence(monkeypatch, capsys):
    raise_later(monkeypatch, ZeroDivisionError("by zero"))
    assert main(["models"]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("Traceback")
    last = errors.splitlines()[-1]
    assert last.startswith("neurolens: an error that NeuroLens does not foresee in test_app.py, li")
    assert last.endswith(": ZeroDivisionError: by zero")


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), KeyboardInterrupt()])
def test_every_ending_is_a_document_where_json_is_asked_for(monkeypatch, capsys, error):
    raise_later(monkeypatch, error)
    assert main(["models", "--json"]) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["error"]["kind"] == type(error).__name__
