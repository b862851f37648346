"""All benchmarks in one piece: parts that fail or take too long do not stop the others."""

import os
import time
from pathlib import Path

import pytest


@pytest.fixture
def bench(load, monkeypatch, tmp_path):
    bench = load("bench")
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    return bench


def write_script(folder, text):
    (folder / "part.py").write_text(text)


def test_a_part_that_ends_well_is_done(bench, tmp_path):
    write_script(tmp_path, "import sys; assert sys.argv[1:] == ['--write', '--more']")
    part = bench.Part("part", ("part.py", "--write"), 1)
    assert bench.run_part(part, ["--more"]).ending == "done"


def test_a_part_that_fails_is_told(bench, tmp_path):
    write_script(tmp_path, "raise SystemExit(3)")
    outcome = bench.run_part(bench.Part("part", ("part.py",), 1))
    assert outcome.ending == "**failed** with exit status 3"


def test_a_part_that_takes_too_long_is_ended_with_its_processes(bench, tmp_path):
    path = tmp_path / "pid"
    write_script(
        tmp_path,
        "import subprocess, pathlib, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(path)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n",
    )
    outcome = bench.run_part(bench.Part("part", ("part.py",), 3 / 60))
    assert outcome.ending.startswith("**ended** when its time was over")
    assert outcome.seconds < 20
    assert has_ended(int(path.read_text()))


def has_ended(pid):
    """Return whether a process ends within seconds; who takes it over may leave a zombie."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_the_summary_has_a_row_per_part(bench):
    outcomes = [
        bench.Outcome(bench.Part("a", ("a.py", "--write"), 5), 90.0, "done"),
        bench.Outcome(bench.Part("b", ("b.py",), 2), 120.0, "**failed** with exit status 1"),
    ]
    text = bench.write_summary(outcomes, "a machine; commit x")
    assert "| `benchmarks/a.py` | 1.5 | 5 | done |" in text
    assert "| `benchmarks/b.py` | 2.0 | 2 | **failed** with exit status 1 |" in text
    assert "took 3.5 of at most 40 minutes" in text
    assert "commit x" in text


def test_all_parts_are_scripts_and_fit_into_the_time(load):
    bench = load("bench")
    assert all((bench.FOLDER / part.arguments[0]).is_file() for part in bench.PARTS)
    assert sum(part.minutes for part in bench.PARTS) <= bench.MOST_MINUTES


def test_the_machine_names_the_commit(load, monkeypatch):
    machine = load("machine")
    assert machine.describe_machine().rpartition("; ")[2].startswith("commit ")
    monkeypatch.setenv("PATH", "")
    assert machine.find_commit() == "commit not known"
