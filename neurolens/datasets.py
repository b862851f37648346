"""Data sets: recipes are found, their files fetched and checked by sha256, and loaded."""

import os
import runpy
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.errors import DataError, InputError
from neurolens.labels import list_names, suggest_name
from neurolens.stimuli import StimulusSet

MIRROR_VARIABLE = "NEUROLENS_MIRROR"


@dataclass(frozen=True)
class Dataset:
    """Stimuli and the brain data recorded with them.

    Attributes
    ----------
    card : dict
        The recipe's card: title, citation, licence, terms, files.
    stimuli : StimulusSet or None
    responses : DataArray (presentation, neuroid) or None
    rdms : DataArray (region, subject, stimulus, stimulus_2) or None
        NaN where a region lacks a subject.
    """

    card: dict[str, Any]
    stimuli: StimulusSet | None = None
    responses: xr.DataArray | None = None
    rdms: xr.DataArray | None = None

    @property
    def regions(self) -> list[str]:
        """Names of the regions, in the recipe's order."""
        data = self.rdms if self.rdms is not None else self.responses
        if data is None or "region" not in data.coords:
            return []
        return list(dict.fromkeys(str(r) for r in data["region"].values))

    @property
    def citation(self) -> str:
        """What to cite when using these data."""
        return str(self.card["citation"]).strip()

    def __repr__(self) -> str:
        parts = [f"<Dataset {self.card['key']}: {self.card['title']}"]
        if self.stimuli is not None:
            parts.append(f"  stimuli    {len(self.stimuli)}")
        for name in ("responses", "rdms"):
            data = getattr(self, name)
            if data is not None:
                parts.append(f"  {name:10} {dict(data.sizes)}")
        return "\n".join([*parts, f"  regions    {', '.join(self.regions)}>"])


def list_datasets() -> list[str]:
    """Return the keys of all recipes."""
    return sorted(card.parent.name for card in _find_recipes().glob("*/card.toml"))


def describe_dataset(key: str) -> dict[str, Any]:
    """Return the card of a recipe: title, citation, licence, terms, files.

    Raises
    ------
    UnknownNameError
        When there is no such recipe.
    """
    if key not in list_datasets():
        raise suggest_name(key, list_datasets(), "data set", "See neurolens.list_datasets().")
    return tomllib.loads((_find_recipes() / key / "card.toml").read_text(encoding="utf-8"))


def load_dataset(
    key: str, *, cache: str | Path | None = None, quiet: bool = False, **options: Any
) -> Dataset:
    """Load a data set, fetching its files on the first use.

    Parameters
    ----------
    key : str
        One of `list_datasets`.
    cache : path, optional
        Where files are kept; default: the user's cache folder. With the environment variable
        ``NEUROLENS_MIRROR`` set to a folder that has ``<key>/<file>``, files are taken from there
        and nothing is fetched.
    quiet : bool
        Show no progress.
    **options
        Passed to the recipe; ``"planted"`` takes ``model``, ``regions``, ``seed``, ``n_subjects``,
        ``noise`` ...

    Returns
    -------
    Dataset

    Raises
    ------
    UnknownNameError
        When there is no such recipe.
    DataError
        When a file cannot be fetched, or is not the one the recipe names (sha256).

    Examples
    --------
    >>> load_dataset("planted", model="alexnet", n_per_category=2, n_voxels=5).regions
    ['V1', 'V4', 'IT']
    """
    card = describe_dataset(key)
    raw = _fetch_files(card, cache, quiet)
    prepare = runpy.run_path(str(_find_recipes() / key / "prepare.py"))["prepare"]
    try:
        parts = prepare(raw, **options)
    except TypeError as error:
        if "keyword argument" in str(error) and "prepare()" in str(error):
            raise InputError(
                f"data set {key!r}: {error}; see datasets/{key}/prepare.py for its options"
            ) from None
        raise
    dataset = Dataset(card, **parts)
    if not options:
        _check_card(dataset)
    return dataset


def _find_recipes() -> Path:
    package = Path(__file__).parent
    shipped = package / "_recipes"
    return shipped if shipped.is_dir() else package.parent / "datasets"


def _fetch_files(card: dict[str, Any], cache: str | Path | None, quiet: bool) -> Path:
    """Return the folder that holds the card's files, each checked against its sha256."""
    import pooch

    key = card["key"]
    mirror = os.environ.get(MIRROR_VARIABLE)
    folder = (
        Path(mirror) / key
        if mirror
        else Path(cache or Path(pooch.os_cache("neurolens")) / "datasets") / key
    )
    missing = [entry for entry in card["files"] if not (folder / entry["name"]).is_file()]
    if missing and mirror:
        raise DataError(
            f"{MIRROR_VARIABLE}={mirror} lacks {list_names(entry['name'] for entry in missing)} of "
            f"data set {key!r}. Put the files into {folder}, or unset {MIRROR_VARIABLE} to fetch "
            "them."
        )
    for entry in missing:
        _fetch_file(card, entry, folder, quiet)
    for entry in card["files"]:
        digest = pooch.file_hash(folder / entry["name"], alg="sha256")
        if digest != entry["sha256"]:
            raise DataError(
                f"{folder / entry['name']} is not the file the recipe names: sha256 {digest}, "
                f"expected {entry['sha256']}. Delete it and load again."
            )
    return folder


def _fetch_file(card: dict[str, Any], entry: dict[str, Any], folder: Path, quiet: bool) -> None:
    import pooch

    url = card["base_url"] + entry["name"]
    try:
        downloader = pooch.HTTPDownloader(progressbar=not quiet, timeout=60)
        pooch.get_logger().setLevel("WARNING")
        pooch.retrieve(
            url,
            f"sha256:{entry['sha256']}",
            fname=entry["name"],
            path=folder,
            downloader=downloader,
        )
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"data set {card['key']!r}: {entry['name']} could not be fetched from {url} "
            f"({reason}). Connect to the network, or put the file into {folder}, or set "
            f"{MIRROR_VARIABLE} to a folder that has {card['key']}/{entry['name']}."
        ) from error


def _check_card(dataset: Dataset) -> None:
    """Raise DataError when what the recipe made is not what its card promises."""
    card = dataset.card
    facts = {"n_stimuli": len(dataset.stimuli or ()), "regions": dataset.regions}
    for what, promised in card.get("check", {}).items():
        if facts[what] != promised:
            raise DataError(f"{card['key']!r} has {what} {facts[what]}, its card says {promised}")
    absent = [name for name in card["holds"] if getattr(dataset, name) is None]
    if absent:
        raise DataError(f"{card['key']!r} lacks {list_names(absent)}, which its card promises")
