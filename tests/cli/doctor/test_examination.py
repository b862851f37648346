"""No check ends the doctor."""

from neurolens.cli.doctor import Finding, examination, examine


def find_one():
    yield Finding("one", "ok", "there")


def break_off():
    yield Finding("half", "ok", "there")
    raise OSError("the driver is gone\nin line 7")


def test_a_check_that_raises_becomes_a_finding():
    found = list(examine(checks={"one": find_one, "cuda": break_off, "cache": break_off}))
    assert [one.name for one in found] == ["one", "half", "cuda", "half", "cache"]
    assert found[2].text == "could not be checked: OSError: the driver is gone"
    assert not found[2].is_harmful
    assert found[4].is_harmful


def test_offline_no_server_is_asked():
    [finding] = examine(offline=True, checks={"network": break_off})
    assert finding.state == "skipped"


def test_what_is_needed_is_checked():
    assert not examination.NEEDED - set(examination.CHECKS)
