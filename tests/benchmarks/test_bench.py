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
    write_script(
        tmp_path,
        "import sys; assert sys.argv[1:] == ['--write', '--more', '--minutes', '0.50'], sys.argv",
    )
    part = bench.Part("part", ("part.py", "--write"), 1)
    assert bench.run_part(part, 0.5, ["--more"]).ending == "done"


def test_a_part_that_knows_no_end_is_told_none(bench, tmp_path):
    write_script(tmp_path, "import sys; assert sys.argv[1:] == []")
    part = bench.Part("part", ("part.py",), 1, is_limited=False)
    assert bench.run_part(part, 0.5).ending == "done"


def test_time_that_a_part_leaves_goes_to_those_after_it(bench):
    parts = [bench.Part("a", ("a.py",), 1), bench.Part("b", ("b.py",), 3)]
    assert bench.share_minutes(parts, 8) == 2
    assert bench.share_minutes(parts[1:], 8) == 8
    assert bench.share_minutes(parts, -1) == 0


def test_a_part_that_fails_is_told(bench, tmp_path):
    write_script(tmp_path, "raise SystemExit(3)")
    outcome = bench.run_part(bench.Part("part", ("part.py",), 1), 1)
    assert outcome.ending == "**failed** with exit status 3"


def test_a_part_that_takes_too_long_is_ended_with_its_processes(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "GRACE", 2 / 60)
    path = tmp_path / "pid"
    write_script(
        tmp_path,
        "import subprocess, pathlib, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(path)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n",
    )
    outcome = bench.run_part(bench.Part("part", ("part.py",), 1), 1 / 60)
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
        bench.Outcome(bench.Part("a", ("a.py", "--write"), 4), 90.0, 5.0, "done"),
        bench.Outcome(bench.Part("b", ("b.py",), 2), 120.0, 2.0, "**failed** with exit status 1"),
    ]
    text = bench.write_summary(outcomes, "a machine; commit x")
    assert "| `benchmarks/a.py` | 1.5 | 5.0 | done |" in text
    assert "| `benchmarks/b.py` | 2.0 | 2.0 | **failed** with exit status 1 |" in text
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


def test_a_deadline_is_shared_and_ends(load, monkeypatch):
    deadlines = load("deadlines")
    now = 100.0
    monkeypatch.setattr(deadlines.time, "monotonic", lambda: now)
    deadline = deadlines.Deadline(2)
    assert deadline.seconds == 120
    assert deadline.share_time(4).seconds == 30
    assert deadline.can_take(119)
    assert not deadline.can_take(120)
    now = 300.0
    assert deadline.seconds == 0
    assert not deadline.can_take(0)
    assert deadlines.Deadline().share_time(3).can_take(1e5)


def test_rounds_end_before_the_deadline_and_one_is_always_counted(load, monkeypatch):
    machine = load("machine")
    deadlines = load("deadlines")
    now = [0.0]
    monkeypatch.setattr(deadlines.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(machine.gc, "collect", lambda: 0)  # the process of all tests is large

    def call():
        now[0] += 6.0

    def count(seconds):
        now[0] = 0.0
        deadline = deadlines.Deadline(seconds / 60)
        times = machine.time_rounds({"call": call}, 9, deadline=deadline)
        return len(times["call"])

    # The first round is not counted, and takes 6 s as the others do.
    assert [count(seconds) for seconds in (0, 11, 20, 25, 61, 1000)] == [1, 1, 2, 3, 9, 9]


def test_a_result_grows_with_each_line(load, monkeypatch, tmp_path):
    machine = load("machine")
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    result = machine.GrowingResult("name")
    result.add("# Title", "")
    assert (tmp_path / "name.md").read_text() == "# Title\n\n"
    result.add("a row")
    assert (tmp_path / "name.md").read_text() == "# Title\n\na row\n"
    machine.GrowingResult(None).add("printed only")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def open_table(load, monkeypatch, tmp_path):
    """Return a function that opens a table of two sections as one processor would."""
    kept_rows = load("kept_rows")
    monkeypatch.setattr(kept_rows, "RESULTS", tmp_path)
    first = kept_rows.Section(("| a | where |", "|---|---|"), ("small", "large"))
    second = kept_rows.Section(("More:", "", "| b | where |", "|---|---|"), ("other",))

    def open_one(processor, commit, name="name"):
        machine = f"{processor}, 2 cores; torch 2; commit {commit}"
        monkeypatch.setattr(kept_rows, "describe_machine", lambda device: machine)
        monkeypatch.setattr(kept_rows, "find_commit", lambda: f"commit {commit}")
        return kept_rows.KeptTable(name, "Title", [first, second])

    return open_one


def test_a_row_that_is_not_reached_stays_with_its_commit_and_processor(open_table, tmp_path):
    before = open_table("Old", "1111")
    for key in ("small", "large", "other"):
        before.put(key, [f"| {key}, first |"])
    after = open_table("New", "2222, changed")
    after.put("small", ["| small, again |", "| and more |"])
    after.skip("large")
    assert (tmp_path / "name.md").read_text().splitlines() == [
        "# Title",
        "",
        "The last run: 2 cores; torch 2",
        "",
        "| a | where |",
        "|---|---|",
        "| small, again | 2222, changed, New |",
        "| and more | 2222, changed, New |",
        "| large, first | 1111, Old |",
        "",
        "More:",
        "",
        "| b | where |",
        "|---|---|",
        "| other, first | 1111, Old |",
    ]


@pytest.mark.parametrize("text", ["", "[]", "null", '{"small": ["| sm', '{"small": "text"}'])
def test_rows_that_cannot_be_read_are_told_before_anything_is_measured(text, open_table, tmp_path):
    (tmp_path / "name.json").write_text(text)
    with pytest.raises(ValueError, match=r"name\.json holds no rows of a table\. Restore it, or"):
        open_table("New", "2222")
    assert (tmp_path / "name.json").read_text() == text


def test_a_row_that_no_section_has_is_refused(open_table, tmp_path):
    with pytest.raises(ValueError, match="no section has the row 'tiny'"):
        open_table("New", "2222").put("tiny", ["| tiny |"])
    assert not list(tmp_path.iterdir())


def test_a_table_without_a_name_is_only_printed(open_table, tmp_path, capsys):
    table = open_table("New", "2222", name=None)
    table.put("small", ["| small |"])
    table.skip("large")
    assert capsys.readouterr().out == "| small |\nlarge: not measured: the time was over\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["comparing_bootstrap", "comparing_influence", "comparing_ridge-cpu", "streaming-cpu"]
)
def test_committed_tables_are_what_their_rows_say(load, name):
    script = load(name.removesuffix("-cpu"))
    arguments = ("cpu", True) if "ridge" in name else (True,)
    table = script.open_table(*arguments)
    kept = table._read_rows()
    keys = [key for section in table._sections for key in section.keys]
    assert kept
    assert set(kept) <= set(keys)
    written = (load("machine").RESULTS / f"{name}.md").read_text().splitlines()
    assert [line for line in written if line.startswith("| ") and "commit" not in line] == [
        line for key in keys for line in kept.get(key, [])
    ]
