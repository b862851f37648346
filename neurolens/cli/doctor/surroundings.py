"""The network, variables that change what runs, the terminal, and Graphviz."""

import importlib.util
import locale
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from neurolens.cli.doctor.findings import FAULT, MISSING, OK, Finding, tell_failure

SECONDS = 5  # for the connection, and again for the answer
PATIENCE = 12  # in all: looking up a name, or a proxy, may take longer than any timeout
NAMED = "kriegeskorte2008"  # the data set of the first steps, whose server is asked
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy")
VARIABLES = (
    *PROXIES,
    "NEUROLENS_MIRROR",
    "XDG_CACHE_HOME",
    "TMPDIR",
    "TORCH_HOME",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PYTHONPATH",
    "MPLBACKEND",
)
SYMBOLS = "\u00e9\u00d7\u2192\u2264"  # in names, shapes and reports


def check_network() -> Iterator[Finding]:
    """Ask the server of one data set for the head of a file, with a limit of time."""
    from neurolens.datasets import describe_dataset

    card = describe_dataset(NAMED)
    url = card["base_url"] + card["files"][0]["name"]
    host = urlsplit(url).hostname
    told: list[str] = []
    # A daemon, so that a connection that hangs does not keep the program from ending.
    question = threading.Thread(target=ask_server, args=(url, told), daemon=True)
    question.start()
    question.join(PATIENCE)
    answer = told[0] if told else f"no answer within {PATIENCE} s"
    if answer == "ok":
        yield Finding("network", OK, f"{host} answers; data sets and weights can be fetched")
        return
    proxies = [name for name in PROXIES if os.environ.get(name)]
    through = f", through the proxy of {', '.join(proxies)}" if proxies else ""
    yield Finding(
        "network",
        MISSING,
        f"{host} is not reached{through}: {answer}",
        "Everything runs without it but fetching: data in NEUROLENS_MIRROR or in your own files, "
        "and models with local weights. The planted data need no network.",
    )


def ask_server(url: str, told: list[str]) -> None:
    """Append "ok", or why a file could not be asked for."""
    import requests

    try:
        answer = requests.head(url, timeout=SECONDS, allow_redirects=True)
    except requests.exceptions.ProxyError:
        told.append("the proxy refuses or is not there")
    except requests.exceptions.SSLError:
        told.append("its certificate is not accepted")
    except requests.Timeout:
        told.append(f"no answer within {SECONDS} s")
    except requests.ConnectionError:
        told.append("there is no connection")
    except Exception as error:
        told.append(tell_failure(error)[:200])
    else:
        told.append("ok" if answer.ok else f"it answers {answer.status_code} {answer.reason}")


def check_graphviz() -> Iterator[Finding]:
    """Tell whether layout="flow" can be drawn."""
    program = shutil.which("dot")
    if program:
        yield Finding("graphviz", OK, f"{program}; layout='flow' is drawn by it")
    elif importlib.util.find_spec("pygraphviz"):
        yield Finding("graphviz", OK, "the package pygraphviz; layout='flow' is drawn by it")
    else:
        yield Finding(
            "graphviz",
            MISSING,
            "layout='flow' needs it; the default layout='columns' needs no program",
            "apt install graphviz, brew install graphviz, or pip install pygraphviz",
        )


def check_variables() -> Iterator[Finding]:
    """Tell the variables that are set and change what NeuroLens and its packages do."""
    found = [
        f"{name}={hide_password(os.environ[name])}" for name in VARIABLES if name in os.environ
    ]
    yield Finding("variables", OK, ", ".join(found) or "none that matter are set")


def hide_password(value: str) -> str:
    """Return a value without the name and password of an address."""
    parts = urlsplit(value) if "://" in value else None
    if parts is None or "@" not in parts.netloc:
        return value
    return value.replace(parts.netloc, f"...@{parts.netloc.rpartition('@')[2]}")


def check_terminal() -> Iterator[Finding]:
    """Tell the encoding of texts, and whether progress is shown."""
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    shown = "a terminal" if sys.stderr.isatty() else "no terminal, so no progress is shown"
    try:
        SYMBOLS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = f"{encoding}, which lacks letters that are printed; {shown}"
        yield Finding("terminal", FAULT, text, "Set PYTHONUTF8=1, or LANG=C.UTF-8.")
    else:
        yield Finding("terminal", OK, f"{encoding}; {shown}")


def check_home() -> Iterator[Finding]:
    """Tell whether there is a home folder, in which libraries keep weights and settings."""
    folder = os.path.expanduser("~")
    if folder == "~" or not os.path.isdir(folder):
        advice = "Set HOME to a folder that you may write to; also TORCH_HOME and HF_HOME."
        yield Finding("home folder", FAULT, f"{folder!r} is no folder", advice)
    else:
        yield Finding("home folder", OK, folder)
