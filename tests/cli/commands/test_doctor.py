"""``neurolens doctor``: a line for each finding, and an exit status."""

import io
import json
import os
import subprocess
import sys

import pytest

from neurolens.cli.app import main
from neurolens.cli.commands import doctor
from neurolens.cli.doctor import Finding

FINE = [
    Finding("python", "ok", "3.13"),
    Finding("cuda", "missing", "none here"),
    Finding("cuda:0", "fault", "broken", "Leave device= out."),
]
HARM = [*FINE, Finding("torch", "fault", "not installed", "pip install torch", needed=True)]


@pytest.mark.parametrize(("findings", "status"), [(FINE, 0), (HARM, 3)], ids=["fine", "harm"])
def test_the_exit_status_tells_whether_all_that_is_needed_works(
    findings, status, monkeypatch, capsys
):
    monkeypatch.setattr(doctor, "examine", lambda offline: iter(findings))
    assert main(["doctor"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok       python: 3.13"
    assert lines[2:4] == ["fault    cuda:0: broken", "         Leave device= out."]
    first = "Needed, and broken: torch." if status else "All that is needed works."
    assert lines[-1] == (
        f"{first} Not in order, and not needed by all: cuda:0. 1 optional parts are not there."
    )


def test_quiet_prints_what_is_not_in_order(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda offline: iter(FINE))
    assert main(["doctor", "--quiet"]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("ok")]


def test_json_is_one_document(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda offline: iter(HARM))
    assert main(["doctor", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["works"] is False
    assert [one["name"] for one in told["findings"]] == [one.name for one in HARM]


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_letters_that_the_terminal_lacks_do_not_end_the_doctor(words, monkeypatch):
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding="ascii"))
    monkeypatch.setattr(doctor, "examine", lambda offline: iter([Finding("cache", "ok", "/é×")]))
    assert main(["doctor", *words]) == 0
    sys.stdout.flush()
    printed = held.getvalue().decode("ascii")
    if words:
        assert json.loads(printed)["findings"][0]["text"] == "/é×"
    else:
        assert printed.startswith(r"ok       cache: /\xe9\xd7")


COMMAND = "import sys; from neurolens.cli.app import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.slow
def test_a_broken_torchvision_and_no_home_are_told_and_do_not_end_the_doctor(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise OSError('libjpeg is gone')\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME",)}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    # Libraries make the folder where they can.
    environment["HOME"] = str(tmp_path / "torchvision" / "__init__.py" / "none")
    environment["XDG_CACHE_HOME"] = str(tmp_path / "torchvision" / "__init__.py")
    environment["NEUROLENS_MIRROR"] = str(tmp_path / "nowhere")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "doctor", "--offline", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    by_name = {one["name"]: one for one in told["findings"]}
    assert "cannot be imported: OSError: libjpeg is gone" in by_name["torchvision"]["text"]
    for name in ("cache", "home folder", "mirror"):
        assert by_name[name]["state"] == "fault", name
    assert by_name["network"]["state"] == "skipped"
    assert by_name["numpy"]["state"] == "ok"
    assert "Traceback" not in done.stderr
