"""Freed memory that the C library keeps within a budget, and gives back beyond it and at the end.

Each script is an interpreter of its own: what has run before decides what a heap holds.
"""

import os
import subprocess
import sys
import textwrap

import pytest

from neurolens.support import heap
from neurolens.support.heap import KeptMemory

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or heap._find_glibc() is None, reason="needs glibc as it is by itself"
)

TOOLS = """
import ctypes, resource
from neurolens.support import heap
from neurolens.support.heap import keep_freed_memory

GIB = 2**30
BLOCK = 3 * 2**26
PAGES = BLOCK // resource.getpagesize()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def count_faults():
    # The pages that the system clears when a large block is allocated once more.
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = library.malloc(BLOCK)
        library.memset(block, 1, BLOCK)
        library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def read_resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


"""


def run_script(body, **environment):
    """Run lines after `TOOLS`, which assert something, in an interpreter of its own."""
    script = TOOLS + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_memory_is_kept_inside_and_given_back_outside():
    run_script(
        """
        assert count_faults() > PAGES // 2
        with keep_freed_memory(GIB):
            assert count_faults() < PAGES // 8
        assert count_faults() > PAGES // 2
        """
    )


def test_it_ends_with_an_error_too():
    run_script(
        """
        try:
            with keep_freed_memory(GIB):
                raise RuntimeError
        except RuntimeError:
            assert count_faults() > PAGES // 2
        else:
            raise AssertionError
        """
    )


def test_what_was_kept_is_given_back_at_the_end():
    run_script(
        """
        start = read_resident()
        with keep_freed_memory(GIB):
            count_faults()
            assert read_resident() - start > BLOCK // 2
        assert read_resident() - start < BLOCK // 2
        """
    )


def test_a_budget_that_is_reached_gives_free_memory_back():
    run_script(
        """
        heap._LEAST_BUDGET = 0
        with keep_freed_memory(BLOCK // 4) as check:
            start = read_resident()
            count_faults()
            assert read_resident() - start > BLOCK // 2
            check()
            assert read_resident() - start < BLOCK // 2
        """
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"MALLOC_ARENA_MAX": "2"},
        {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"},
        {"LD_PRELOAD": "libjemalloc-that-is-not-there.so.2"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_what_the_user_has_set_stays(environment):
    run_script(
        """
        with keep_freed_memory(GIB):
            assert count_faults() > PAGES // 2
        """,
        **environment,
    )


def test_a_small_budget_keeps_nothing():
    run_script(
        """
        with keep_freed_memory(2**30 - 1):
            assert count_faults() > PAGES // 2
        """
    )


class Fake(KeptMemory):
    """Memory of which ``held`` bytes are not free."""

    def __init__(self, most_bytes):
        self.now = self.held = self.n_releases = 0
        super().__init__(self.release, -1, most_bytes)

    def release(self):
        self.n_releases += 1
        self.now = self.held

    def _read_resident(self):
        return self.now


def test_memory_that_is_not_free_is_not_looked_for_again_and_again():
    memory = Fake(3200)
    memory.now = 3300
    memory.held = 3250
    memory.check()
    assert (memory.n_releases, memory.now) == (1, 3250)
    for memory.now in (3300, 3350):
        memory.check()
    assert memory.n_releases == 1
    memory.now = 3351
    memory.check()
    assert memory.n_releases == 2
    # Below what is allowed, everything is as at the start.
    memory.now = memory.held = 3000
    memory.check()
    memory.now = 3201
    memory.check()
    assert memory.n_releases == 3
