"""Processors, memory, and GPUs that torch can compute on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurolens.cli.doctor.findings import FAULT, MISSING, OK, Finding, format_bytes, tell_failure

DRIVER = Path("/proc/driver/nvidia/version")
MEMORY = Path("/proc/meminfo")
LITTLE_MEMORY = 2 * 2**30


def check_processor() -> Iterator[Finding]:
    """Tell the cores, the threads that torch uses, and the memory."""
    import torch

    n_cores = os.cpu_count() or 0
    yield Finding("processor", OK, f"{n_cores} cores, torch uses {torch.get_num_threads()} threads")
    total, free = measure_memory()
    if total is None:
        yield Finding("memory", OK, "not told by this system")
        return
    text = f"{format_bytes(total)}" + (f", {format_bytes(free)} free" if free is not None else "")
    if free is not None and free < LITTLE_MEMORY:
        advice = "Close programs, or pass a small memory= to extract_grams, such as '500MB'."
        yield Finding("memory", FAULT, text, advice)
    else:
        yield Finding("memory", OK, text)


def measure_memory() -> tuple[int | None, int | None]:
    """Return the bytes of memory in all and free, None where the system does not tell."""
    total = None
    if {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(getattr(os, "sysconf_names", ())):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not MEMORY.is_file():
        return total, None
    fields = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines() if ":" in line)
    free = fields.get("MemAvailable", "").split()
    return total, int(free[0]) * 1024 if free else None


def check_cuda() -> Iterator[Finding]:
    """Compute on each NVIDIA (or AMD) GPU, and tell why where torch sees none."""
    import torch

    if not torch.cuda.is_available():
        has_driver = DRIVER.exists() or shutil.which("nvidia-smi") is not None
        if not has_driver:
            yield Finding("cuda", MISSING, "no GPU of NVIDIA here; models run on the processor")
        elif torch.version.cuda is None:
            advice = "Install a build of torch for your GPU: https://pytorch.org/get-started"
            yield Finding("cuda", FAULT, "there is a driver, and torch is built without", advice)
        else:
            advice = (
                "Update the driver, or install the build of torch for it; see what "
                "nvidia-smi prints, and CUDA_VISIBLE_DEVICES."
            )
            text = f"there is a driver, and torch for CUDA {torch.version.cuda} cannot use it"
            yield Finding("cuda", FAULT, text, advice)
        return
    for number in range(torch.cuda.device_count()):
        yield try_device(torch, f"cuda:{number}")


def check_mps() -> Iterator[Finding]:
    """Compute on the GPU of an Apple computer, where there is one."""
    import torch

    if not torch.backends.mps.is_available():
        yield Finding("mps", MISSING, "no GPU of Apple here")
    else:
        yield try_device(torch, "mps")


def try_device(torch: Any, name: str) -> Finding:
    """Compute a sum on a device."""
    advice = "Leave device= out, which runs where the model is, or pass device='cpu'."
    try:
        total = torch.ones(8, device=name).sum().item()
        text = describe_device(torch, name)
    except Exception as error:
        return Finding(name, FAULT, f"cannot be computed on: {tell_failure(error)}", advice)
    if total != 8:
        return Finding(name, FAULT, f"computes wrong numbers: the sum of 8 ones is {total}", advice)
    return Finding(name, OK, text)


def describe_device(torch: Any, name: str) -> str:
    """Return the name and memory of a device."""
    if not name.startswith("cuda"):
        return "works"
    facts = torch.cuda.get_device_properties(name)
    return f"{facts.name}, {format_bytes(facts.total_memory)}, CUDA {torch.version.cuda}"
