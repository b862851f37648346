"""All checks in their order; one that raises becomes a finding."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from neurolens.cli.doctor import devices, packages, places, surroundings, trial
from neurolens.cli.doctor.findings import FAULT, SKIPPED, Finding, tell_failure

Check = Callable[[], Iterator[Finding]]
# What is checked -> how. Those in NEEDED break all of NeuroLens where they raise.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "python": packages.check_python,
        "home folder": surroundings.check_home,
        "packages": packages.check_needed,
        "torch and torchvision": packages.check_pair,
        "recording": trial.check_recording,
        "comparison": trial.check_comparison,
        "layout engine": trial.check_drawing,
        "processor": devices.check_processor,
        "cuda": devices.check_cuda,
        "mps": devices.check_mps,
        "cache": places.check_cache,
        "temporary files": places.check_temporary,
        "mirror": places.check_mirror,
        "network": surroundings.check_network,
        "graphviz": surroundings.check_graphviz,
        "extras": packages.check_extras,
        "variables": surroundings.check_variables,
        "terminal": surroundings.check_terminal,
    }
)
NEEDED = {"packages", "recording", "comparison", "layout engine", "cache", "temporary files"}


def examine(*, offline: bool = False, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Run all checks, and yield what each finds.

    Parameters
    ----------
    offline : bool
        Ask no server.
    checks : mapping of str to check
        What to check, and how.

    Yields
    ------
    Finding
        In the order of the checks. A check that raises gives a finding that says so.
    """
    for name, check in checks.items():
        if offline and name == "network":
            yield Finding(name, SKIPPED, "not asked, by --offline")
            continue
        try:
            yield from check()
        except Exception as error:
            text = f"could not be checked: {tell_failure(error)}"
            advice = "See the other findings; if none explains it, please report this line."
            yield Finding(name, FAULT, text, advice, needed=name in NEEDED)
