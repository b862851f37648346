"""Loading a data set by its key: terms, files, the recipe, and what it promises."""

import inspect
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.datasets.cards import PARTS, RECIPE, choose_names, describe_dataset, find_recipe
from neurolens.datasets.fetching import find_folder
from neurolens.errors import DataError, InputError
from neurolens.labels import (
    NEUROID,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    list_names,
    suggest_name,
)
from neurolens.stimuli import StimulusSet
from neurolens.support.tables import write_block, write_facts, write_folded

BYTES_READ = "bytes_read"
SPLITS = "splits"
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
    key: str | Path,
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
    key : str or Path
        One of `list_datasets`, or the path of a folder with a recipe of your own, as
        ``datasets/README.md`` describes it. Its ``prepare.py`` is run, so pass only what you
        trust. A text is never taken for a path.
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
        damaged; the folder holds no recipe, or the recipe makes other than what its card promises,
        without the dimensions that data have here, or responses to stimuli that it does not give.
        A fetch that is interrupted is continued by the next call.

    Examples
    --------
    >>> load_dataset("planted", model="alexnet", n_per_category=2, n_voxels=5).regions
    ['V1', 'V4', 'IT']
    """
    card = describe_dataset(key)
    chosen_subjects = choose_names(subjects, card, "subjects")
    chosen_regions = choose_names(regions, card, "regions")
    prepare = _read_recipe(find_recipe(key), card, options)
    _check_terms(card, accept_terms)
    raw = find_folder(card, subjects=chosen_subjects, folder=folder, cache=cache, quiet=quiet)
    parts = prepare(raw, subjects=chosen_subjects, regions=chosen_regions, **options)
    check_parts(parts, card)
    for name in ("responses", "rdms"):
        if name in parts:
            parts[name].attrs[BYTES_READ] = raw.bytes_read
    dataset = Dataset(card, **parts, bytes_read=raw.bytes_read)
    _check_promises(dataset, chosen_regions, is_default=not options)
    return dataset


def _read_recipe(
    recipe: Path, card: dict[str, Any], options: dict[str, Any]
) -> Callable[..., dict[str, Any]]:
    """Return the function of a recipe, after its options are checked."""
    prepare = runpy.run_path(str(recipe / RECIPE)).get("prepare")
    if not callable(prepare):
        raise DataError(f"{recipe / RECIPE} has no function prepare(raw, *, subjects, regions)")
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
        f"data set {card['key']!r} asks you to accept its terms, which are printed above. Pass "
        "accept_terms=True to load_dataset if you do.",
        anchor="terms-not-accepted",
    )


def check_parts(parts: Any, card: dict[str, Any]) -> None:
    """Check what ``prepare`` of a recipe returned.

    Parameters
    ----------
    parts : dict
        ``stimuli``, ``responses``, ``rdms``, ``splits``, as far as there are any.
    card : dict

    Raises
    ------
    DataError
        It is no such dict; responses or RDMs have other dimensions than data have here; or
        responses or RDMs are of stimuli that ``stimuli`` lacks.
    """
    source = f"the recipe of {card['key']!r}"
    known = (*PARTS, SPLITS)
    if not isinstance(parts, Mapping) or not set(parts) <= set(known):
        given = list_names(parts) if isinstance(parts, Mapping) else type(parts).__name__
        raise DataError(f"{source} must return a dict of {list_names(known)}, got {given}")
    stimuli = parts.get("stimuli")
    if stimuli is not None and not isinstance(stimuli, StimulusSet):
        raise DataError(
            f"{source} must return stimuli of nl.load_stimuli, got {type(stimuli).__name__}"
        )
    if "responses" in parts:
        ids = _read_ids(parts["responses"], source)
        _check_ids(ids, stimuli, f"{source} gives responses to")
    if "rdms" in parts:
        rdms = parts["rdms"]
        if not _has_labels(rdms, STIMULUS, STIMULUS_2):
            raise DataError(
                f"{source} must return RDMs as a DataArray with the dimensions {STIMULUS} and "
                f"{STIMULUS_2}, both with ids, got {_describe(rdms)}"
            )
        _check_ids(rdms[STIMULUS].values, stimuli, f"{source} gives RDMs of")


def _read_ids(responses: Any, source: str) -> np.ndarray:
    """Return the stimulus of each row of responses, whose form is checked."""
    if isinstance(responses, xr.DataArray) and NEUROID in responses.dims:
        if _has_labels(responses, STIMULUS):
            return responses[STIMULUS].values
        if PRESENTATION in responses.dims and STIMULUS_ID in responses.coords:
            return responses[STIMULUS_ID].values
    raise DataError(
        f"{source} must return responses as a DataArray ({PRESENTATION}, {NEUROID}) with the "
        f"coordinate {STIMULUS_ID} of {PRESENTATION}, or ({STIMULUS}, {NEUROID}) with ids, got "
        f"{_describe(responses)}"
    )


def _has_labels(array: Any, *dims: str) -> bool:
    """Return whether this is a DataArray with these dimensions, all of them labelled."""
    return isinstance(array, xr.DataArray) and all(
        dim in array.dims and dim in array.coords for dim in dims
    )


def _describe(array: Any) -> str:
    if not isinstance(array, xr.DataArray):
        return type(array).__name__
    coords = list_names(array.coords) if len(array.coords) else "none"
    return f"{tuple(map(str, array.dims))} with the coordinates {coords}"


def _check_ids(ids: np.ndarray, stimuli: StimulusSet | None, told: str) -> None:
    """Raise DataError where ids are not those of stimuli that come with them."""
    if stimuli is None:
        return
    known = set(stimuli.ids)
    others = [name for name in dict.fromkeys(ids.tolist()) if name not in known]
    if others:
        raise DataError(
            f"{told} {list_names(others)}, which are not among its stimuli, such as "
            f"{list_names(stimuli.ids[:3])}. Ids are matched exactly."
        )


def _check_promises(dataset: Dataset, regions: tuple[str, ...] | None, *, is_default: bool) -> None:
    """Raise DataError when what the recipe made is not what was asked for and the card promises."""
    card = dataset.card
    absent = [name for name in card["holds"] if getattr(dataset, name) is None]
    if absent:
        raise DataError(
            f"{card['key']!r} lacks {list_names(absent)}, which its card promises",
            anchor="recipe-invalid",
        )
    if regions is not None and set(dataset.regions) != set(regions):
        raise DataError(
            f"{card['key']!r} gives the regions {dataset.regions}, and {list(regions)} were asked "
            "for",
            anchor="recipe-invalid",
        )
    facts = {"n_stimuli": len(dataset.stimuli or ()), "regions": dataset.regions}
    promised = card.get("check", {}) if is_default and regions is None else {}
    for what, value in promised.items():
        if facts[what] != value:
            raise DataError(
                f"{card['key']!r} has {what} {facts[what]}, its card says {value}",
                anchor="recipe-invalid",
            )


def _format_bytes(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
