"""Recipes and their cards: what a data set holds, where its files are, what to cite."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurolens.datasets.archives import TAR_SUFFIXES, ZIP_SUFFIX
from neurolens.datasets.paths import split_name
from neurolens.errors import DataError, InputError
from neurolens.labels import check_unique, list_names, suggest_name

CARD = "card.toml"
RECIPE = "prepare.py"
TEXTS = ("key", "title", "description", "citation", "licence", "terms", "species")
PARTS = ("stimuli", "responses", "rdms")
# On what a recipe was tried.
TRIALS = ("real files", "a file of the published format", "made on the spot")
DIGESTS = {"sha256": 64, "md5": 32}


def find_recipes() -> Path:
    """Return the folder of all recipes: in the package, or beside it in the repository."""
    package = Path(__file__).parents[1]
    shipped = package / "_recipes"
    return shipped if shipped.is_dir() else package.parent / "datasets"


def list_datasets() -> list[str]:
    """Return the keys of all recipes."""
    return sorted(card.parent.name for card in find_recipes().glob(f"*/{CARD}"))


def find_recipe(key: str | Path) -> Path:
    """Return the folder of a recipe: one of the package by its key, or one's own by its path.

    Raises
    ------
    UnknownNameError
        There is no such recipe in the package.
    DataError
        The folder holds no recipe, or has the name of one in the package, with which it would
        share the cache.
    """
    keys = list_datasets()
    if isinstance(key, Path):
        folder = key.expanduser()
        missing = [name for name in (CARD, RECIPE) if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"the folder {key} lacks {list_names(missing)}. A recipe is a folder with {CARD} "
                f"and {RECIPE}."
            )
        folder = folder.resolve()
        if folder.name in keys and folder != (find_recipes() / folder.name).resolve():
            raise DataError(
                f"{folder.name!r} is a data set of the package. Give the recipe in {key} another "
                "key, and its folder the same name."
            )
        return folder
    if key not in keys:
        hint = "See neurolens.list_datasets()."
        if isinstance(key, str) and Path(key, CARD).is_file():
            hint = f"For a recipe of your own, pass pathlib.Path({key!r})."
        raise suggest_name(str(key), keys, "data set", hint, anchor="unknown-data-set")
    return find_recipes() / key


def describe_dataset(key: str | Path) -> dict[str, Any]:
    """Return the card of a recipe.

    Parameters
    ----------
    key : str or Path
        One of `list_datasets`, or the path of a folder with a recipe of your own.

    Returns
    -------
    dict
        ``title``, ``description``, ``citation``, ``licence``, ``terms``, ``species``; ``holds``,
        which of stimuli, responses and rdms it gives; ``tried``, on what each part was tried:
        "real files", or "a file of the published format" made in the tests; ``subjects`` and
        ``regions`` that can be asked for, ``options`` and ``splits`` with a sentence on each,
        where there are any; ``files`` with their checksums and ``base_url``, or ``layout``, the
        patterns of the files of a copy of your own, and ``where`` to get it.

    Raises
    ------
    UnknownNameError
        There is no such recipe.
    DataError
        Its card is not as cards are; the folder holds no recipe.
    """
    path = find_recipe(key) / CARD
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"the card {path} is no TOML: {error}", anchor="recipe-invalid") from error
    _check_card(card, path)
    return card


def choose_names(asked: Any, card: dict[str, Any], what: str) -> tuple[str, ...] | None:
    """Return the subjects or regions that are asked for, None for all of them.

    Parameters
    ----------
    asked : str, sequence of str or None
    card : dict
    what : {"subjects", "regions"}

    Raises
    ------
    InputError
        The data set has none to choose from, or they are not given as names.
    UnknownNameError
        One of them is not on the card.
    LabelError
        One is asked for twice.
    """
    if asked is None:
        return None
    known = card.get(what, [])
    if not known:
        raise InputError(
            f"data set {card['key']!r} has no {what} to choose from. Leave out {what}=."
        )
    names = (asked,) if isinstance(asked, str) else asked
    is_list = isinstance(names, Sequence) and len(names) > 0
    if not is_list or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{what} must be a name or a list of names, got {asked!r}. Choose from "
            f"{list_names(known, 12)}."
        )
    for name in names:
        if name not in known:
            one = what.removesuffix("s")
            hint = f"See describe_dataset({card['key']!r})[{what!r}]."
            raise suggest_name(name, known, f"{one} of data set {card['key']!r}", hint)
    check_unique(names, f"{what}=")
    return tuple(names)


def _check_card(card: dict[str, Any], path: Path) -> None:
    """Raise DataError where a card lacks something, or names a file outside its folder."""
    source = f"the card {path}"
    for field in TEXTS:
        if not isinstance(card.get(field), str) or not card[field].strip():
            raise DataError(f"{source} lacks the text {field!r}", anchor="recipe-invalid")
    if card["key"] != path.parent.name:
        raise DataError(
            f"{source} has the key {card['key']!r}, unlike its folder", anchor="recipe-invalid"
        )
    holds = card.get("holds", [])
    if not holds or not set(holds) <= set(PARTS):
        raise DataError(
            f"{source} must say what it holds, of {list_names(PARTS)}, got {holds}",
            anchor="recipe-invalid",
        )
    tried = card.get("tried", {})
    if not set(holds) <= set(tried) or not set(tried.values()) <= set(TRIALS):
        raise DataError(
            f"{source} must say in [tried] on what each part was tried, one of "
            f"{list_names(TRIALS)}, got {tried}",
            anchor="recipe-invalid",
        )
    if card.get("accept_terms", True) is not True:
        raise DataError(
            f"{source} has accept_terms, which is true or left out", anchor="recipe-invalid"
        )
    _check_names(card, source)


def _check_names(card: dict[str, Any], source: str) -> None:
    """Raise DataError where the files of a card cannot be used, or it does not say where they are.

    Entities of patterns are names inside the folder too: see `Folder.find`.
    """
    for entry in card.get("files", []):
        _check_file(entry, source)
    for pattern in card.get("layout", {}).values():
        split_name(pattern.replace("{", "").replace("}", ""), source)
    if card.get("files") and not str(card.get("base_url")).startswith(("https://", "http://")):
        raise DataError(
            f"{source} names files and no base_url from which to fetch them",
            anchor="recipe-invalid",
        )
    if card.get("layout") and not card.get("where"):
        raise DataError(
            f"{source} has a layout, and does not say where to get the files",
            anchor="recipe-invalid",
        )


def _check_file(entry: dict[str, Any], source: str) -> None:
    """Raise DataError where the entry of a file on a card cannot be used."""
    split_name(entry.get("name"), source)
    kinds = [kind for kind in DIGESTS if kind in entry]
    is_known = len(kinds) == 1 and len(entry[kinds[0]]) == DIGESTS[kinds[0]]
    if not is_known or set(entry[kinds[0]]) - set("0123456789abcdef"):
        raise DataError(
            f"{source}: {entry['name']} needs one checksum, sha256 or md5, in hex",
            anchor="recipe-invalid",
        )
    if "unpack" in entry:
        split_name(entry["unpack"], source)
        is_archive = entry["name"].endswith((ZIP_SUFFIX, *TAR_SUFFIXES))
        if not is_archive or "unpacked_bytes_at_most" not in entry:
            raise DataError(
                f"{source}: {entry['name']} is to be unpacked, so it needs the suffix of an "
                "archive, and unpacked_bytes_at_most",
                anchor="recipe-invalid",
            )
