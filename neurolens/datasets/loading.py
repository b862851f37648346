"""Loading a data set by its key: terms, files, the recipe, and what it promises."""

import inspect
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.datasets.cards import RECIPE, choose_names, describe_dataset, find_recipes
from neurolens.datasets.fetching import find_folder
from neurolens.errors import DataError, InputError
from neurolens.labels import NEUROID, REGION, STIMULUS, STIMULUS_2, list_names, suggest_name
from neurolens.stimuli import StimulusSet
from neurolens.support.tables import write_block, write_facts, write_folded

BYTES_READ = "bytes_read"
MEMBER = f"{REGION}_"
PLURALS = {STIMULUS: "stimuli", STIMULUS_2: "stimuli"}
# Arguments of every recipe, which are no options of the user's.
_GIVEN = ("raw", "subjects", "regions")


@dataclass(frozen=True)
class Dataset:
    """Stimuli and the brain data recorded with them.

    Attributes
    ----------
    card : dict
        The recipe's card: see `describe_dataset`.
    stimuli : StimulusSet or None
    responses : DataArray (presentation, neuroid) or None
    rdms : DataArray (region, subject, stimulus, stimulus_2) or None
        NaN where a region lacks a subject.
    splits : dict
        Published divisions of the stimuli: name -> part -> ids, e.g. ``splits["shared"]["test"]``.
    bytes_read : int
        So many bytes of files were read for responses and RDMs. Pictures are read when used.
    """

    card: dict[str, Any]
    stimuli: StimulusSet | None = None
    responses: xr.DataArray | None = None
    rdms: xr.DataArray | None = None
    splits: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    bytes_read: int = 0

    @property
    def regions(self) -> list[str]:
        """Names of the regions, in the recipe's order."""
        data = self.rdms if self.rdms is not None else self.responses
        if data is None:
            return []
        if REGION in data.coords:
            return list(dict.fromkeys(str(name) for name in data[REGION].values))
        # Regions that overlap are coordinates of True and False.
        return [
            str(name).removeprefix(MEMBER)
            for name, coord in data.coords.items()
            if str(name).startswith(MEMBER) and coord.dims == (NEUROID,) and coord.dtype == bool
        ]

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
        for name, split in self.splits.items():
            sizes = ", ".join(f"{len(ids)} {part}" for part, ids in split.items())
            parts.append(f"  split      {name}: {sizes}")
        if self.bytes_read:
            parts.append(f"  read       {_format_bytes(self.bytes_read)} of files")
        return "\n".join([*parts, f"  regions    {', '.join(self.regions)}>"])

    def _repr_html_(self) -> str:
        facts: list[tuple[str, Any]] = []
        for name in ("responses", "rdms"):
            data = getattr(self, name)
            if data is not None:
                sizes = " × ".join(
                    f"{size:,} {PLURALS.get(dim, f'{dim}s')}" for dim, size in data.sizes.items()
                )
                facts.append((name, sizes))
        facts.append(("regions", ", ".join(self.regions)))
        for name, split in self.splits.items():
            counts = [f"{len(ids):,} {part}" for part, ids in split.items()]
            facts.append((f"split {name}", ", ".join(counts)))
        if self.bytes_read:
            facts.append(("read", f"{_format_bytes(self.bytes_read)} of files"))
        facts += [("licence", self.card["licence"]), ("cite", self.citation)]
        parts = [write_facts(facts)]
        if self.stimuli is not None:
            body = self.stimuli._repr_html_()
            parts.append(write_folded(f"stimuli ({len(self.stimuli):,})", body))
        return write_block(f"{self.card['title']} ({self.card['key']})", parts)


def load_dataset(
    key: str,
    *,
    subjects: str | Sequence[str] | None = None,
    regions: str | Sequence[str] | None = None,
    folder: str | Path | None = None,
    accept_terms: bool = False,
    cache: str | Path | None = None,
    quiet: bool = False,
    **options: Any,
) -> Dataset:
    """Load a data set, fetching its files on the first use where they can be fetched.

    Parameters
    ----------
    key : str
        One of `list_datasets`.
    subjects, regions : str or sequence of str, optional
        Those to load, of the card's; no more is read than these need. Default: as the card says,
        mostly all.
    folder : path, optional
        Your own copy of the data, laid out as published. Needed for data sets that cannot be
        fetched; the error says where to get them. Nothing is written into it.
    accept_terms : bool
        Whether you accept the terms of a data set that asks for it. They are printed otherwise.
    cache : path, optional
        Where fetched files are kept; default: the user's cache folder. With the environment
        variable ``NEUROLENS_MIRROR`` set to a folder that has ``<key>/<file>``, files are taken
        from there and nothing is fetched.
    quiet : bool
        Show no progress.
    **options
        Of the recipe, as its card says: ``"planted"`` takes ``model``, ``ops``, ``seed``,
        ``n_subjects``, ``noise`` ...

    Returns
    -------
    Dataset
        The attribute ``bytes_read`` of its responses and RDMs says how much was read for them.

    Raises
    ------
    UnknownNameError
        There is no such recipe, subject, region or option.
    InputError
        The terms are not accepted; an argument cannot be used.
    DataError
        A file is missing and cannot be fetched, is not the one the recipe names (checksum), or is
        damaged. A fetch that is interrupted is continued by the next call.

    Examples
    --------
    >>> load_dataset("planted", model="alexnet", n_per_category=2, n_voxels=5).regions
    ['V1', 'V4', 'IT']
    """
    card = describe_dataset(key)
    chosen_subjects = choose_names(subjects, card, "subjects")
    chosen_regions = choose_names(regions, card, "regions")
    prepare = _read_recipe(card, options)
    _check_terms(card, accept_terms)
    raw = find_folder(card, subjects=chosen_subjects, folder=folder, cache=cache, quiet=quiet)
    parts = prepare(raw, subjects=chosen_subjects, regions=chosen_regions, **options)
    for name in ("responses", "rdms"):
        if name in parts:
            parts[name].attrs[BYTES_READ] = raw.bytes_read
    dataset = Dataset(card, **parts, bytes_read=raw.bytes_read)
    _check_promises(dataset, chosen_regions, is_default=not options)
    return dataset


def _read_recipe(card: dict[str, Any], options: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Return the function of a recipe, after its options are checked."""
    recipe = find_recipes() / card["key"] / RECIPE
    prepare = runpy.run_path(str(recipe))["prepare"]
    known = [name for name in inspect.signature(prepare).parameters if name not in _GIVEN]
    for name in options:
        if not known:
            raise InputError(f"data set {card['key']!r} takes no options, got {name!r}.")
        if name not in known:
            hint = f"It takes {', '.join(known)}."
            raise suggest_name(name, known, f"option of data set {card['key']!r}", hint)
    return prepare


def _check_terms(card: dict[str, Any], accept_terms: bool) -> None:
    """Print the terms that a data set wants accepted, and raise InputError where they are not."""
    if not card.get("accept_terms") or accept_terms is True:
        return
    print(f"Terms of {card['title']}\n\n{card['terms'].strip()}\n\nLicence: {card['licence']}")
    raise InputError(
        f"data set {card['key']!r} asks you to accept its terms, which are printed above. Type "
        f"load_dataset({card['key']!r}, accept_terms=True, ...) if you do."
    )


def _check_promises(dataset: Dataset, regions: tuple[str, ...] | None, *, is_default: bool) -> None:
    """Raise DataError when what the recipe made is not what was asked for and the card promises."""
    card = dataset.card
    absent = [name for name in card["holds"] if getattr(dataset, name) is None]
    if absent:
        raise DataError(f"{card['key']!r} lacks {list_names(absent)}, which its card promises")
    if regions is not None and set(dataset.regions) != set(regions):
        raise DataError(
            f"{card['key']!r} gives the regions {dataset.regions}, and {list(regions)} were asked "
            "for"
        )
    facts = {"n_stimuli": len(dataset.stimuli or ()), "regions": dataset.regions}
    promised = card.get("check", {}) if is_default and regions is None else {}
    for what, value in promised.items():
        if facts[what] != value:
            raise DataError(f"{card['key']!r} has {what} {facts[what]}, its card says {value}")


def _format_bytes(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
