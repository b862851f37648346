"""What an analysis does, read from its file and completed by defaults; all problems at once."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from neurolens.cli.analysis.documents import Document
from neurolens.cli.analysis.keys import KEYS, SECTIONS, Key
from neurolens.labels import list_names

BY_ADDRESS = {key.address: key for key in KEYS}


class Problem(NamedTuple):
    """What is wrong with the file: where, by ``section.key``, and a sentence."""

    address: str
    sentence: str


@dataclass(frozen=True)
class Settings:
    """What an analysis does: the value of every key, by ``section.key``; None where not given.

    ``given`` are the addresses that the file names, ``folder`` is its folder.
    """

    values: Mapping[str, Any]
    given: frozenset[str]
    folder: Path

    def __getitem__(self, address: str) -> Any:
        return self.values[address]

    def goes(self, needs: str) -> bool:
        """Return whether a condition, ``section.key`` or ``section.key=value``, holds."""
        if not needs:
            return True
        address, equals, wanted = needs.partition("=")
        value = self.values[address]
        own = BY_ADDRESS[address].needs
        if not equals:
            return value is not None and self.goes(own)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text == wanted and self.goes(own)

    def resolve(self) -> dict[str, dict[str, Any]]:
        """Return what applies, defaults included, as the file could have said it.

        The folder of the results is no part of it. Of absolute paths only the file's name is kept,
        so that results tell nothing of a machine.
        """
        sections: dict[str, dict[str, Any]] = {}
        for key in KEYS:
            value = self.values[key.address]
            if key.address == "analysis.output" or value is None or not self.goes(key.needs):
                continue
            if key.kind.is_path or key.address == "model.weights":
                value = hide_folders(value)
            elif key.address == "model.name":
                value = hide_model(value)
            sections.setdefault(key.section, {})[key.name] = value
        return sections


def hide_folders(value: Any) -> Any:
    """Return a path, or a list or table of paths, with the names alone of absolute ones."""
    if isinstance(value, list):
        return [hide_folders(one) for one in value]
    if isinstance(value, dict):
        return {name: hide_folders(one) for name, one in value.items()}
    path = Path(value).expanduser()
    return path.name if path.is_absolute() else value


def hide_model(name: str) -> str:
    """Return the name of a model, with the name alone of an absolute path of a folder."""
    source, slash, entry = name.partition("/")
    return f"{source}{slash}{hide_folders(entry)}" if source == "hf" else name


def read_settings(document: Document) -> tuple[Settings, list[Problem]]:
    """Return the settings that a file gives, and what is wrong with it.

    Keys that are unknown or have a value of another kind are among the problems, and count as not
    given.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {key.address: key.default for key in KEYS}
    given = set()
    for section, table in document.tables.items():
        if section not in SECTIONS:
            problems.append(Problem(section, _tell_section(section, table)))
        elif not isinstance(table, dict):
            problems.append(Problem(section, f"must be a section, [{section}], got {table!r}."))
        else:
            for name, value in table.items():
                address = f"{section}.{name}"
                sentence = _check_value(address, value)
                if sentence:
                    problems.append(Problem(address, sentence))
                else:
                    values[address] = value
                    given.add(address)
    return Settings(values, frozenset(given), document.folder), problems


def _tell_section(section: str, table: Any) -> str:
    """Return what is wrong with a section that there is not."""
    if not isinstance(table, dict):
        homes = [key.section for key in KEYS if key.name == section]
        if homes:
            return f"stands in no section. Put it below [{homes[0]}]."
    return f"there is no such section. {_tell_closest(section, SECTIONS)}"


def _check_value(address: str, value: Any) -> str:
    """Return what is wrong with a key or its value, "" for nothing."""
    key = BY_ADDRESS.get(address)
    if key is None:
        return _tell_key(address)
    if not key.kind.fits(value):
        return f"must be {key.kind.expects}, got {value!r}."
    if key.choices:
        entries = value if isinstance(value, list) else [value]
        wrong = [one for one in entries if one not in key.choices]
        if wrong:
            return f"{wrong[0]!r} is not known. {_tell_closest(wrong[0], key.choices)}"
    return ""


def _tell_key(address: str) -> str:
    """Return what is wrong with a key that there is not."""
    section, _, name = address.partition(".")
    homes = [key.section for key in KEYS if key.name == name]
    if homes:
        return f"there is no such key in [{section}]. It stands in [{homes[0]}]."
    names = [key.name for key in KEYS if key.section == section]
    return f"there is no such key. {_tell_closest(name, names)}"


def _tell_closest(wanted: str, names: Any) -> str:
    """Return the closest of some names, or all of them, in a sentence."""
    close = difflib.get_close_matches(str(wanted), list(names), n=3, cutoff=0.5)
    if close:
        return f"Closest: {list_names(close)}."
    return f"Choose from {list_names(names, 20)}."


def list_needs(settings: Settings) -> list[Problem]:
    """Return keys that are given and say nothing, because what they go with is not there."""
    problems = []
    for address in sorted(settings.given):
        key: Key = BY_ADDRESS[address]
        if not settings.goes(key.needs):
            wanted, _, value = key.needs.partition("=")
            what = f"{wanted} = {value!r}" if value not in ("", "true") else wanted
            problems.append(Problem(address, f"goes with {what} only. Leave it out."))
    return problems
