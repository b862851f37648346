"""What the doctor says of processors, memory and GPUs, also of broken ones."""

import pytest
import torch

from neurolens.cli.doctor import devices


def test_processor_and_memory_are_told():
    names = [one.name for one in devices.check_processor()]
    assert names == ["processor", "memory"]
    total, free = devices.measure_memory()
    assert total is None or free is None or 0 < free <= total


@pytest.mark.parametrize(
    ("measured", "state", "text"),
    [
        ((8 * 2**30, 2**30), "fault", "8.0 GiB, 1.0 GiB free"),
        ((8 * 2**30, 4 * 2**30), "ok", "8.0 GiB, 4.0 GiB free"),
        ((None, None), "ok", "not told by this system"),
    ],
)
def test_little_memory_is_told(measured, state, text, monkeypatch):
    monkeypatch.setattr(devices, "measure_memory", lambda: measured)
    memory = list(devices.check_processor())[1]
    assert (memory.state, memory.text, memory.is_harmful) == (state, text, False)


def test_a_system_without_its_table_of_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "MEMORY", tmp_path / "none")
    assert devices.measure_memory()[1] is None


def make_blind(monkeypatch, driver, version):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", version)
    monkeypatch.setattr(devices, "DRIVER", driver)
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    [finding] = devices.check_cuda()
    return finding


def test_why_there_is_no_gpu_is_told(monkeypatch, tmp_path):
    there = tmp_path / "version"
    there.touch()
    assert make_blind(monkeypatch, tmp_path / "none", "13.0").state == "missing"
    without = make_blind(monkeypatch, there, None)
    assert (without.state, without.text) == (
        "fault",
        "there is a driver, and torch is built without",
    )
    unusable = make_blind(monkeypatch, there, "13.0")
    assert "torch for CUDA 13.0 cannot use it" in unusable.text
    assert "Update the driver" in unusable.advice
    assert not unusable.is_harmful


def test_a_gpu_that_is_there_and_broken_is_a_fault(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("CUDA error: no kernel image is available\nfor this device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "ones", fail)
    found = list(devices.check_cuda())
    assert [(one.name, one.state) for one in found] == [("cuda:0", "fault"), ("cuda:1", "fault")]
    assert found[0].text.endswith("RuntimeError: CUDA error: no kernel image is available")


def test_a_device_that_computes_wrong_numbers_is_a_fault(monkeypatch):
    assert devices.try_device(torch, "cpu").state == "ok"
    right = torch.ones
    monkeypatch.setattr(torch, "ones", lambda n, device: right(n + 1))
    assert "the sum of 8 ones is 9" in devices.try_device(torch, "cpu").text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_computed_on():
    assert all(one.state == "ok" for one in devices.check_cuda())
