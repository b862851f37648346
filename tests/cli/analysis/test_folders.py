"""The folder of results: claimed by one run, filled in one go, cleaned up after."""

import signal
import threading

import pytest

from neurolens.cli.analysis.folders import claim_folder, fill_folder, hold_interrupt
from neurolens.cli.analysis.locks import LOCK, write_lock
from neurolens.errors import DataError

PARTS = ("format", "analysis", "settings", "inputs", "versions", "machine", "results")


def make_lock(*names):
    empty = {part: {} for part in PARTS}
    return empty | {"format": 1, "results": dict.fromkeys(names, "hash")}


def test_nothing_is_left_of_a_claim(tmp_path):
    with claim_folder(tmp_path / "a" / "b") as work:
        assert work.parent == tmp_path / "a"
        (work / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_folder_cannot_be_claimed(tmp_path):
    with claim_folder(tmp_path / "a"):
        with (
            pytest.raises(DataError, match="another run writes into"),
            claim_folder(tmp_path / "a"),
        ):
            pass
        with claim_folder(tmp_path / "b"):
            pass
    with claim_folder(tmp_path / "a"):
        pass


def test_earlier_results_are_replaced_and_other_files_stay(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    for name in ("old.nc", "both.nc", "mine.txt"):
        (output / name).write_text("old")
    write_lock(output / LOCK, make_lock("old.nc", "both.nc", "../mine.txt"))
    (tmp_path / "mine.txt").touch()
    with claim_folder(output) as work:
        (work / "both.nc").write_text("new")
        write_lock(work / LOCK, make_lock("both.nc"))
        fill_folder(output, work)
    assert sorted(path.name for path in output.iterdir()) == [LOCK, "both.nc", "mine.txt"]
    assert (output / "both.nc").read_text() == "new"
    assert (tmp_path / "mine.txt").exists()


@pytest.fixture
def interrupts():
    """Set what Ctrl-C does, which a process in the background may ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_a_block(done):
    with hold_interrupt():
        signal.raise_signal(signal.SIGINT)
        done.append(True)


def test_ctrl_c_waits_for_the_end_of_the_block(interrupts):
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupt_a_block(done)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_ignores_ctrl_c_goes_on(interrupts):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = []
    interrupt_a_block(done)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_hold_nothing():
    caught = []

    def work():
        with hold_interrupt():
            caught.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught == [True]
