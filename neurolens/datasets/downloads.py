"""Files fetched from the web: continued where they were interrupted, checked, and then named."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from neurolens.errors import DataError

# Seconds without an answer, bytes that are written at a time, and how often a download that makes
# progress is continued after a broken connection.
TIMEOUT = 60
BLOCK_BYTES = 2**16
N_ATTEMPTS = 5
# What a file has after its name until it is whole and checked.
PART_SUFFIX = ".part"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Digest(NamedTuple):
    """The checksum of a file: its ``kind``, "sha256" or "md5", and its ``value`` in hex."""

    kind: str
    value: str

    def compute(self, path: Path) -> str:
        """Return the checksum, of the same kind, that a file has."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.kind).hexdigest()


class _BrokenError(Exception):
    """A download ended early; what arrived is kept."""


def download_file(
    url: str, path: Path, digest: Digest, *, n_bytes: int | None = None, quiet: bool = False
) -> None:
    """Fetch a file to ``path``, through ``path`` with ``.part`` after its name.

    A part that an earlier call left is continued. Only a file with the right checksum gets its
    name; a part with a wrong one is deleted. Two processes must not fetch the same file at once.

    Parameters
    ----------
    url : str
    path : Path
        Its folder is made.
    digest : Digest
        What the file must have.
    n_bytes : int, optional
        How long the file is, where known.
    quiet : bool
        Show no progress.

    Raises
    ------
    DataError
        The file cannot be fetched, or is not the expected one. The message is the reason alone, to
        be put into a sentence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    _fill_part(url, part, n_bytes, quiet)
    _check_part(part, digest)
    os.replace(part, path)


def _fill_part(url: str, part: Path, n_bytes: int | None, quiet: bool) -> None:
    """Fetch what a part lacks, with several attempts as long as each brings something."""
    for attempt in range(1, N_ATTEMPTS + 1):
        before = _measure(part)
        if n_bytes is not None and before > n_bytes:
            part.unlink()
            before = 0
        if before == n_bytes:
            return
        try:
            _request_rest(url, part, before, quiet)
        except _BrokenError as error:
            if _measure(part) == before or attempt == N_ATTEMPTS:
                raise DataError(str(error), anchor="no-network") from error.__cause__
        else:
            return


def _measure(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _request_rest(url: str, part: Path, start: int, quiet: bool) -> None:
    """Request a file from byte ``start`` on, and add what comes to the part."""
    import requests

    host = urlsplit(url).hostname
    # Compression on the way would make other bytes of the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:
                # There is nothing after the part: it is whole, which its checksum will tell.
                return
            if answer.status_code not in (200, 206):
                raise DataError(
                    f"the server answers {answer.status_code} {answer.reason}", anchor="no-network"
                )
            _write_answer(answer, part, start, quiet)
    except requests.Timeout as error:
        raise _BrokenError(f"{host} does not answer within {TIMEOUT} s") from error
    except requests.exceptions.SSLError as error:
        raise _BrokenError(f"the certificate of {host} is not accepted: {error}") from error
    except requests.ConnectionError as error:
        raise _BrokenError(f"there is no connection to {host}") from error
    except requests.RequestException as error:
        raise _BrokenError(f"the connection to {host} broke off") from error


def _write_answer(answer: Any, part: Path, start: int, quiet: bool) -> None:
    """Write the body of an answer after what the part holds, or instead of it."""
    from tqdm import tqdm

    from neurolens.support.progress import hides_progress

    if answer.status_code == 206:
        _check_start(answer.headers.get("Content-Range", ""), start)
    else:
        # The server sends the whole file.
        start = 0
    length = int(answer.headers.get("Content-Length", 0))
    arrived = 0
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(
            desc=part.name.removesuffix(PART_SUFFIX),
            total=start + length or None,
            initial=start,
            unit="B",
            unit_scale=True,
            disable=hides_progress(quiet),
        ) as bar,
    ):
        for block in answer.iter_content(BLOCK_BYTES):
            file.write(block)
            arrived += len(block)
            bar.update(len(block))
    if arrived < length:
        raise _BrokenError(f"{arrived} bytes of {length} arrived")


def _check_start(content_range: str, start: int) -> None:
    """Raise DataError unless a partial answer begins where the part ends."""
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None or int(match[1]) != start:
        raise DataError(
            f"the server was asked for the bytes from {start} on, and sends {content_range!r}",
            anchor="no-network",
        )


def _check_part(part: Path, digest: Digest) -> None:
    """Raise DataError, and delete the part, where it has another checksum."""
    found = digest.compute(part)
    if found != digest.value:
        part.unlink()
        raise DataError(
            f"{digest.kind} {found}, expected {digest.value}: it was damaged on the way, or is "
            "another file now, and what arrived is deleted",
            anchor="checksum-mismatch",
        )
