"""What the doctor says of the network, variables, terminal, home folder and Graphviz."""

import io
import sys
import threading

import pytest
import requests

from neurolens.cli.doctor import surroundings


def ask_with(monkeypatch, ask):
    monkeypatch.setattr(requests, "head", ask)
    [finding] = surroundings.check_network()
    return finding


def fail_with(kind):
    def ask(url, **settings):
        raise kind("text of the library")

    return ask


class Answer:
    def __init__(self, status):
        self.status_code = status
        self.ok = status < 400
        self.reason = "Gone"


def test_a_server_that_answers_is_told(monkeypatch):
    asked = {}

    def ask(url, **settings):
        asked.update(settings, url=url)
        return Answer(200)

    assert ask_with(monkeypatch, ask).state == "ok"
    assert asked["timeout"] == surroundings.SECONDS
    assert asked["url"].startswith("https://")
    refused = ask_with(monkeypatch, lambda url, **settings: Answer(410))
    assert (refused.state, refused.text.split(": ")[1]) == ("missing", "it answers 410 Gone")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (requests.exceptions.ProxyError, "the proxy refuses or is not there"),
        (requests.exceptions.SSLError, "its certificate is not accepted"),
        (requests.Timeout, "no answer within 5 s"),
        (requests.ConnectionError, "there is no connection"),
        (UnicodeError, "UnicodeError: text of the library"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_why_a_server_is_not_reached_is_told(kind, told, monkeypatch):
    for name in surroundings.PROXIES:
        monkeypatch.delenv(name, raising=False)
    finding = ask_with(monkeypatch, fail_with(kind))
    assert (finding.state, finding.is_harmful) == ("missing", False)
    assert finding.text == f"raw.githubusercontent.com is not reached: {told}"


def test_a_connection_that_hangs_is_left(monkeypatch):
    monkeypatch.setattr(surroundings, "PATIENCE", 0.05)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:8080")
    ended = threading.Event()

    def hang(url, **settings):
        ended.wait(60)
        return Answer(200)

    finding = ask_with(monkeypatch, hang)
    ended.set()
    assert "through the proxy of HTTPS_PROXY: no answer within 0.05 s" in finding.text


def test_variables_are_told_without_passwords(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:8080")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    [finding] = surroundings.check_variables()
    assert "HTTPS_PROXY=http://...@proxy:8080" in finding.text
    assert "OMP_NUM_THREADS=3" in finding.text
    assert "secret" not in finding.text
    for name in surroundings.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    [none] = surroundings.check_variables()
    assert none.text == "none that matter are set"


@pytest.mark.parametrize(("encoding", "state"), [("utf-8", "ok"), ("ascii", "fault")])
def test_an_encoding_without_the_symbols_is_told(encoding, state, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    [finding] = surroundings.check_terminal()
    assert finding.state == state
    assert finding.text.startswith(encoding)


def test_a_missing_home_folder_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    [there] = surroundings.check_home()
    assert there.state == "ok"
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "none"))
    [gone] = surroundings.check_home()
    assert (gone.state, gone.is_harmful) == ("fault", False)


def test_graphviz_is_told(monkeypatch):
    monkeypatch.setattr(surroundings.shutil, "which", lambda name: "/usr/bin/dot")
    assert next(surroundings.check_graphviz()).text.startswith("/usr/bin/dot")
    monkeypatch.setattr(surroundings.shutil, "which", lambda name: None)
    monkeypatch.setattr(surroundings.importlib.util, "find_spec", lambda name: True)
    assert "pygraphviz" in next(surroundings.check_graphviz()).text
    monkeypatch.setattr(surroundings.importlib.util, "find_spec", lambda name: None)
    finding = next(surroundings.check_graphviz())
    assert (finding.state, finding.is_harmful) == ("missing", False)
