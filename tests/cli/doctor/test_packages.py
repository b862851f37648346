"""What the doctor says of Python and packages, also of broken ones."""

import sys

import pytest

from neurolens.cli.doctor import packages


def test_this_python_and_installation_are_in_order():
    states = {one.name: one.state for one in packages.check_python()}
    assert states["python"] == "ok"


def test_an_old_python_is_a_fault(monkeypatch):
    monkeypatch.setattr(packages, "OLDEST", (99, 0))
    first = next(packages.check_python())
    assert (first.state, first.is_harmful) == ("fault", True)
    assert first.advice == "Install Python 99.0 or newer."


def test_what_runs_from_a_folder_is_told(monkeypatch):
    monkeypatch.setattr(packages, "find_own_version", lambda: "unknown")
    own = list(packages.check_python())[1]
    assert (own.state, own.text) == ("missing", "runs from a folder, not installed")


def test_packages_are_imported_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sound_one.py").write_text("x = 1\n")
    (tmp_path / "broken_one.py").write_text("raise OSError('libc10.so: not there\\nat all')\n")
    (tmp_path / "ending_one.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "crashing_one.py").write_text("import os, signal\nos.kill(os.getpid(), 9)\n")
    names = ["sound_one", "broken_one", "ending_one", "crashing_one", "absent_one"]
    found = packages.try_imports(names)
    assert found == {
        "sound_one": "ok",
        "broken_one": "OSError: libc10.so: not there",
        "ending_one": "SystemExit: 3",
        "crashing_one": "ended Python (exit status -9)",
        "absent_one": "ModuleNotFoundError: No module named 'absent_one'",
    }
    assert not set(names) & set(sys.modules)


def test_an_import_that_does_not_end_is_told_and_the_others_are_tried(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packages, "SECONDS", 2)
    (tmp_path / "endless_one.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "sound_two.py").write_text("x = 1\n")
    found = packages.try_imports(["endless_one", "sound_two"])
    assert found == {"endless_one": "did not end within 2 s", "sound_two": "ok"}


def find_needed(monkeypatch, told, version="1.0", spec=">=1"):
    monkeypatch.setattr(packages, "list_requirements", lambda: [("torchvision", spec, "")])
    monkeypatch.setattr(packages, "try_imports", lambda names: {"torchvision": told})
    monkeypatch.setattr(packages, "find_version", lambda name: version)
    [finding] = packages.check_needed()
    return finding


def test_a_broken_package_is_a_fault_with_the_line_to_type(monkeypatch):
    finding = find_needed(monkeypatch, "RuntimeError: operator torchvision::nms does not exist")
    assert finding.is_harmful
    assert "cannot be imported: RuntimeError: operator torchvision::nms" in finding.text
    assert finding.advice == "pip install --upgrade 'torchvision>=1'"


def test_absent_and_old_packages_are_faults(monkeypatch):
    absent = find_needed(monkeypatch, "ModuleNotFoundError: No module", version=None)
    assert (absent.text, absent.is_harmful) == ("not installed", True)
    old = find_needed(monkeypatch, "ok", version="0.9")
    assert (old.text, old.is_harmful) == ("0.9, older than needed (>=1)", True)
    assert find_needed(monkeypatch, "ok").state == "ok"


@pytest.mark.parametrize(
    ("says", "state"), [("torch==2.15.0", "ok"), ("torch==2.14.0", "fault"), ("numpy", "ok")]
)
def test_torch_and_torchvision_are_of_one_release(says, state, monkeypatch):
    monkeypatch.setattr(packages.metadata, "requires", lambda name: ["numpy", says])
    monkeypatch.setattr(packages, "find_version", lambda name: "2.15.0+cu132")
    [finding] = packages.check_pair()
    assert finding.state == state
    assert ("does not say" in finding.text) == (says == "numpy")


def test_absent_extras_are_told_with_the_line_to_type(monkeypatch):
    wanted = [("nibabel", ">=5", "brain"), ("av", ">=15", "video"), ("pytest", "", "dev")]
    versions = {"nibabel": None, "av": "14.0"}
    monkeypatch.setattr(packages, "list_requirements", lambda: wanted)
    monkeypatch.setattr(packages, "find_version", versions.get)
    found = {one.name: one for one in packages.check_extras()}
    assert found["extra brain"].state == "missing"
    assert found["extra brain"].advice == "pip install 'neurolens-brain[brain]'"
    assert found["extra video"].state == "fault"
    assert found["extra video"].text.endswith("too old: av 14.0")
    assert "extra dev" not in found
    assert not any(one.is_harmful for one in found.values())


def test_extras_of_the_project_for_users_have_a_purpose():
    extras = {extra for _, _, extra in packages.list_requirements()} - {""}
    assert set(packages.PURPOSES) <= extras | {"render"}
    assert extras - set(packages.PURPOSES) <= {"dev", "docs", "peers", "site", "test"}


def test_requirements_are_known_without_an_installation(monkeypatch):
    monkeypatch.setattr(packages, "DISTRIBUTION", "no-such-distribution")
    assert ("torch", "", "") in packages.list_requirements()
