"""Files of epochs and evoked responses, opened by MNE-Python."""

import warnings
from pathlib import Path
from typing import Any

from neurolens.errors import DataError, InputError, MissingToolError, warn_user

EPOCHS = ("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz")
EVOKED = ("-ave.fif", "_ave.fif", "-ave.fif.gz", "_ave.fif.gz")


def import_mne() -> Any:
    """Return the package MNE-Python; raise MissingToolError where it is not installed."""
    try:
        import mne
    except ImportError as error:
        raise MissingToolError(
            "epochs and evoked need MNE-Python. Type pip install mne."
        ) from error
    return mne


def open_recording(source: Any) -> tuple[Any, Path | None]:
    """Return epochs, or a list of evoked responses, and the file they are from.

    Raises
    ------
    DataError
        The file is missing or damaged.
    InputError
        The source is something else.
    """
    mne = import_mne()
    if isinstance(source, str | Path):
        path = Path(source)
        return _open_file(mne, path), path
    if isinstance(source, mne.BaseEpochs):
        try:
            len(source)
        except RuntimeError as error:
            raise InputError(
                "epochs must be without those that are rejected, and these are not checked yet. "
                "Type epochs.drop_bad() first."
            ) from error
        return source, None
    evoked = [source] if isinstance(source, mne.Evoked) else source
    is_list = isinstance(evoked, list | tuple) and len(evoked) > 0
    if is_list and all(isinstance(one, mne.Evoked) for one in evoked):
        return list(evoked), None
    raise InputError(
        "source must be epochs or evoked of MNE-Python, a list of evoked, or the path of a file "
        f"that ends in {EPOCHS[0]} or {EVOKED[0]}, got {type(source).__name__}."
    )


def _open_file(mne: Any, path: Path) -> Any:
    """Return the content of a file by the end of its name."""
    if not path.is_file():
        raise DataError(f"there is no file of epochs or evoked at {path}", anchor="file-not-found")
    if not path.name.endswith((*EPOCHS, *EVOKED)):
        raise InputError(
            f"{path.name} must end in {EPOCHS[0]} or {EVOKED[0]}, as MNE-Python names files of "
            "epochs and evoked. Open others with it, and pass what it returns.",
            anchor="unknown-format",
        )
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if path.name.endswith(EPOCHS):
                held = mne.read_epochs(path, preload=True, verbose="error")
            else:
                held = mne.read_evokeds(path, verbose="error")
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read by MNE-Python ({type(error).__name__}: {reason}). It may have "
            "been cut short: copy or write it again."
        ) from error
    for one in [one for one in caught if issubclass(one.category, RuntimeWarning)]:
        warn_user(f"{path.name}: {one.message}")
    return held
