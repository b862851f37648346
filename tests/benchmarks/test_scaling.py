"""What the studies of growth measure, leave out and write."""

import time
from pathlib import Path

import numpy as np
import pytest

# Workers of pytest-xdist have a thread of their own, which takes no part.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

MIB = 2**20
SIZES = (1, 2, 4, 8)


@pytest.fixture
def study(load):
    return load("scaling_studies.study")


@pytest.fixture
def running(load):
    return load("scaling_studies.running")


@pytest.fixture
def planted(study):
    """A study whose time and memory grow in proportion to the size."""

    def prepare(size):
        def call():
            spend(0.01 * size)
            return np.ones(size * MIB)  # 8 MiB each

        return call

    return study.Study("planted", "stimuli", SIZES, prepare, 1, 1, "all of it")


def spend(seconds):
    """Take processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_time_and_memory_of_a_planted_call_are_found(running, planted, monkeypatch):
    monkeypatch.setattr(running, "LEAST_SECONDS", 0)
    seconds, peak = running.fork_measurement(planted, 8)
    assert seconds > 0.08
    assert peak == pytest.approx(64 * MIB, rel=0.1)
    # Not the peak of what ran before.
    assert running.fork_measurement(planted, 1)[1] < 12 * MIB


@pytest.fixture
def grow(running, monkeypatch):
    """Return what plants the costs of sizes, and the list of those that are measured."""

    def plant(cost):
        asked = []

        def measure(study, size):
            asked.append(size)
            return cost(size)

        monkeypatch.setattr(running, "fork_measurement", measure)
        return asked

    return plant


def test_every_size_is_measured_in_each_round(running, planted, grow):
    asked = grow(lambda size: (0.1 * size**2, size * MIB))
    found = running.measure_study(planted, rounds=3, seconds=30)
    assert asked == [*SIZES] * 3
    assert found.left_out == ""
    assert found.fit_time().exponent == pytest.approx(2)
    assert found.peaks[4] == [4 * MIB] * 3


def test_sizes_that_would_take_too_long_are_left_out_and_named(running, planted, grow):
    # From 2 on cubic, which the last two sizes tell: 8 would take 8 times as long as 4.
    asked = grow(lambda size: (float(size**3), MIB))
    found = running.measure_study(planted, rounds=1, seconds=100)
    assert asked == [1, 2, 4]
    assert found.left_out == "8 would take some 512 s"


def test_sizes_that_would_not_fit_into_memory_are_left_out(running, planted, grow, monkeypatch):
    monkeypatch.setattr(running, "read_free", lambda: 2**33)
    grow(lambda size: (0.1, size * 2**30))
    found = running.measure_study(planted, rounds=1, seconds=30)
    assert found.sizes == [1, 2, 4]
    assert found.left_out == "8 would take some 8 GiB"


def test_a_call_that_hangs_is_ended(running, study, monkeypatch):
    def prepare(size):
        return lambda: time.sleep(0 if size == 1 else 60)

    monkeypatch.setattr(running, "LEAST_SECONDS", 0)
    hanging = study.Study("hanging", "stimuli", (1, 2), prepare, 1, 1, "")
    monkeypatch.setattr(running, "PATIENCE", 2.0)
    assert running.fork_measurement(hanging, 2) is None


def test_a_size_that_took_too_long_is_named(running, planted, grow):
    grow(lambda size: None if size == 4 else (0.1, MIB))
    found = running.measure_study(planted, rounds=1, seconds=10)
    assert found.sizes == [1, 2]
    assert found.left_out == "4 took more than 300 s of the clock"


def test_a_call_that_fails_is_an_error_not_a_missing_size(running, study, capfd):
    def prepare(size):
        raise ValueError("planted")

    failing = study.Study("failing", "stimuli", (1, 2), prepare, 1, 1, "")
    with pytest.raises(RuntimeError, match="ended without a result"):
        running.measure_study(failing, rounds=1, seconds=5)
    assert "planted" in capfd.readouterr().err


def test_small_peaks_are_not_fitted(study):
    found = study.Measured(
        {size: [float(size)] for size in SIZES},
        {1: [1], 2: [4 * MIB], 4: [16 * MIB], 8: [32 * MIB]},
    )
    assert found.memory_sizes == [4, 8]
    assert found.fit_memory() is None
    assert found.fit_time().exponent == pytest.approx(1)


@pytest.fixture
def results(study, planted):
    quadratic = study.Study("quadratic", "ops", SIZES, planted.prepare, 1, 1, "none")
    seconds = {size: [size**2.0, size**2.0] for size in SIZES}
    peaks = {size: [size * 16 * MIB] * 2 for size in SIZES}
    linear = {size: [0.1 * size, 0.11 * size] for size in SIZES}
    return [
        (quadratic, study.Measured(seconds, peaks, "16 would take some 99 s")),
        (planted, study.Measured(linear, peaks)),
    ]


SETTINGS = {"command": "make scaling", "machine": "m", "note": "", "rounds": 2, "seconds": 30.0}


def test_the_page_says_what_grows_more_than_it_should(load, results):
    text = load("scaling_studies.page").write_page(results, SETTINGS)
    assert "| quadratic (none) | 1 to 8 | 64 | 2.00 (2.00 to 2.00) | 1 | **above** | 128 |" in text
    assert "| planted (all of it) | 1 to 8 | 0.84 | 1.00 (1.00 to 1.00) | 1 | as expected |" in text
    assert "- quadratic, ops: 16 would take some 99 s" in text
    assert "**above**: 1 are larger in every round" in text


def test_a_study_of_which_nothing_was_measured_has_an_empty_row(load, study, planted):
    page = load("scaling_studies.page")
    nothing = [(planted, study.Measured(left_out="1 took more than 300 s of the clock"))]
    text = page.write_page(nothing, SETTINGS)
    assert "| planted (all of it) | none |" in text
    assert page.write_row(*nothing[0]).count("|") == page.COLUMNS[0].count("|")
    assert "- planted, stimuli: 1 took more" in text


def test_measurements_are_read_as_they_were_written(load, results, tmp_path):
    files = load("scaling_studies.files")
    path = tmp_path / "scaling.json"
    files.write_measurements(path, results, SETTINGS)
    again, settings = files.read_measurements(path, [study for study, _ in results])
    assert settings == SETTINGS
    assert again == results
    # A study that is no more is left out.
    assert files.read_measurements(path, [results[1][0]])[0] == results[1:]


def test_the_picture_follows_from_the_measurements(load, results, tmp_path):
    picture = load("scaling_studies.picture")
    for name in ("a.svg", "b.svg"):
        picture.draw_picture(results, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_every_study_is_known_by_its_name_and_what_it_is_against(load):
    studies = load("scaling").list_studies()
    keys = [(study.name, study.against) for study in studies]
    assert len(keys) == len(set(keys))
    assert {against for _, against in keys} == set(load("scaling").KINDS)
    assert all(list(study.sizes) == sorted(study.sizes) for study in studies)


@pytest.mark.slow
def test_every_study_runs_at_its_smallest_size(load):
    for study in load("scaling").list_studies():
        study.prepare(study.sizes[0])()


def test_the_page_in_docs_is_that_of_its_numbers(load):
    scaling = load("scaling")
    if not scaling.NUMBERS.exists():
        pytest.skip("nothing was measured yet")
    results, settings = load("scaling_studies.files").read_measurements(
        scaling.NUMBERS, scaling.list_studies()
    )
    page = load("scaling_studies.page").write_page(results, settings)
    assert Path(scaling.PAGE).read_text() == page
