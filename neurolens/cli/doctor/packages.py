"""Python, NeuroLens and the packages it uses: which are there, which can be imported."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata

from neurolens.cli.doctor.findings import FAULT, MISSING, OK, Finding
from neurolens.support.versions import DISTRIBUTION, find_own_version

OLDEST = (3, 11)
NEWEST_TRIED = (3, 14)
SECONDS = 180
# The module of a package, where it is named otherwise.
MODULES = {"google-crc32c": "google_crc32c", "pillow": "PIL", "lazy-loader": "lazy_loader"}
# Extras that users install, and what each is for.
PURPOSES = {
    "banded": "banded ridge and variance partitioning",
    "brain": "NIfTI, GIFTI and CIFTI images",
    "cluster": "several machines",
    "glm": "responses estimated from time series",
    "maps": "maps on the brain",
    "matlab": "tables and other objects in MATLAB files",
    "meg": "epochs and evoked responses",
    "models": "models of timm and Hugging Face",
    "render": "layout='flow' without the program Graphviz",
    "sound": "sounds as stimuli",
    "tables": "tables in Parquet files",
    "trained": "small networks with trained weights, from packages",
    "video": "videos as stimuli",
}
# Run in a child process, so that a crash or an endless import is seen and does not end this one.
CHILD = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        told = "ok"
    except BaseException as error:
        first = (str(error).strip().splitlines() or [""])[0]
        told = f"{type(error).__name__}: {first}"
    print(name, told, sep="\\t", flush=True)
"""


def check_python() -> Iterator[Finding]:
    """Tell the versions of Python and of NeuroLens."""
    version = platform.python_version()
    text = f"{version} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("python", FAULT, text, f"Install Python {oldest} or newer.", needed=True)
    else:
        is_newer = sys.version_info[:2] > NEWEST_TRIED
        yield Finding("python", OK, text + (", newer than what was tried" if is_newer else ""))
    own = find_own_version()
    if own == "unknown":
        advice = "Install it, which also brings its packages: pip install . in its folder."
        yield Finding("neurolens", MISSING, "runs from a folder, not installed", advice)
    else:
        yield Finding("neurolens", OK, own)


def check_needed() -> Iterator[Finding]:
    """Tell whether the packages that are always needed are there, new enough, and work."""
    wanted = {name: spec for name, spec, extra in list_requirements() if not extra}
    found = try_imports([MODULES.get(name, name) for name in wanted])
    for name, spec in wanted.items():
        told = found.get(MODULES.get(name, name), "was not tried")
        version = find_version(name)
        if version is None and told != "ok":
            text = "not installed"
        elif told != "ok":
            text = f"{version}, cannot be imported: {told}"
        elif version is not None and not fits(version, spec):
            text = f"{version}, older than needed ({spec})"
        else:
            yield Finding(name, OK, version or "version unknown")
            continue
        yield Finding(name, FAULT, text, f"pip install --upgrade '{name}{spec}'", needed=True)


def check_pair() -> Iterator[Finding]:
    """Tell whether torch and torchvision are of one release, as torchvision itself says."""
    from packaging.requirements import Requirement

    torch = find_version("torch")
    vision = find_version("torchvision")
    if torch is None or vision is None:
        return
    name = "torch and torchvision"
    wanted = [Requirement(line) for line in metadata.requires("torchvision") or []]
    specs = [str(one.specifier) for one in wanted if one.name == "torch"]
    if not specs:
        yield Finding(name, OK, f"torchvision {vision} does not say for which torch it is made")
    elif fits(torch, specs[0]):
        yield Finding(name, OK, f"torchvision {vision} is made for this torch")
    else:
        text = f"torchvision {vision} is made for torch{specs[0]}, and torch is {torch}"
        yield Finding(name, FAULT, text, "pip install --upgrade torch torchvision", needed=True)


def check_extras() -> Iterator[Finding]:
    """Tell which optional packages are there, and how to install the others."""
    by_extra: dict[str, dict[str, str]] = {extra: {} for extra in PURPOSES}
    for name, spec, extra in list_requirements():
        if extra in by_extra:
            by_extra[extra][name] = spec
    for extra, wanted in by_extra.items():
        versions = {name: find_version(name) for name in wanted}
        lacking = [name for name, version in versions.items() if version is None]
        old = [
            f"{name} {version}"
            for name, version in versions.items()
            if version is not None and not fits(version, wanted[name])
        ]
        install = f"pip install '{DISTRIBUTION}[{extra}]'"
        if not wanted:
            yield Finding(f"extra {extra}", MISSING, f"{PURPOSES[extra]}; not known here", install)
        elif lacking:
            text = f"{PURPOSES[extra]}; not installed: {', '.join(lacking)}"
            yield Finding(f"extra {extra}", MISSING, text, install)
        elif old:
            text = f"{PURPOSES[extra]}; too old: {', '.join(old)}"
            yield Finding(f"extra {extra}", FAULT, text, install.replace("install", "install -U"))
        else:
            text = ", ".join(f"{name} {version}" for name, version in versions.items())
            yield Finding(f"extra {extra}", OK, f"{PURPOSES[extra]}; {text}")


def list_requirements() -> list[tuple[str, str, str]]:
    """Return (package, versions, extra) of all that the installed NeuroLens says it uses."""
    from packaging.requirements import Requirement

    found = []
    try:
        lines = metadata.requires(DISTRIBUTION) or []
        extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return [(name, "", "") for name in ("numpy", "torch", "torchvision", "xarray", "zarr")]
    for line in lines:
        wanted = Requirement(line)
        if wanted.name == DISTRIBUTION:
            continue
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            found.append((wanted.name, str(wanted.specifier), ""))
            continue
        for extra in extras:
            if wanted.marker.evaluate({"extra": extra}):
                found.append((wanted.name, str(wanted.specifier), extra))
    return found


def find_version(name: str) -> str | None:
    """Return the installed version of a package, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def fits(version: str, spec: str) -> bool:
    """Return whether a version is one of those that are asked for."""
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(spec).contains(version, prereleases=True)


def try_imports(modules: Sequence[str]) -> dict[str, str]:
    """Return "ok" or the error of importing each module, found in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", CHILD, *modules]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b""
        lines = (printed.decode() if isinstance(printed, bytes) else printed).splitlines()
        ending = f"did not end within {SECONDS} s"
    else:
        lines = done.stdout.splitlines()
        ending = f"ended Python (exit status {done.returncode})"
    told = dict(line.split("\t", 1) for line in lines if "\t" in line)
    found = {name: told[name] for name in modules if name in told}
    left = [name for name in modules if name not in told]
    if left:
        # The first that told nothing is the one at which the process stopped; the others follow.
        found[left[0]] = ending
        if len(left) > 1:
            found |= try_imports(left[1:])
    return found
