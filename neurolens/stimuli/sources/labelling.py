"""Ids and metadata of loaded stimuli: of the source, of the user, and of parts of files."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from neurolens.errors import InputError
from neurolens.labels import list_names
from neurolens.stimuli.ids import order_metadata, write_ids
from neurolens.stimuli.media import Listing, Parts


def label_stimuli(
    listing: Listing, ids: Sequence[Any] | None, metadata: pd.DataFrame | None
) -> tuple[tuple[str, ...], pd.DataFrame | None]:
    """Return the ids of stimuli and their metadata, None where there are none.

    ``ids`` and ``metadata`` are of the files or texts that stimuli are, or are parts of.

    Raises
    ------
    InputError
        When there are more or fewer ids than files; when metadata lack a stimulus, or say something
        else than the source does.
    LabelError
        When ids repeat.
    """
    n_sources = len(listing.items) if listing.n_sources is None else listing.n_sources
    named = listing.names if ids is None else ids
    if named is None:
        named = [f"stim{i:03d}" for i in range(n_sources)]
    sources = write_ids(named)
    if len(sources) != n_sources:
        raise InputError(
            f"{n_sources} stimuli but {len(sources)} ids; pass one id per stimulus"
            f"{', which are files or texts here' if listing.parts is not None else ''}",
            anchor="ids-missing",
        )
    table = None if listing.table is None else _index(listing.table, sources)
    if metadata is not None:
        table = _join(order_metadata(metadata, sources), table)
    if listing.parts is None:
        return sources, table
    return _label_parts(listing.parts, sources, table)


def _index(table: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    return table.set_axis(pd.Index(list(ids), name="stimulus"), axis=0)


def _join(given: pd.DataFrame, found: pd.DataFrame | None) -> pd.DataFrame:
    """Return metadata of the user with those that the source has beside them."""
    if found is None:
        return given
    for name in found.columns.intersection(given.columns):
        is_same = found[name].astype(str).to_numpy() == given[name].astype(str).to_numpy()
        if not is_same.all():
            first = int((~is_same).argmax())
            raise InputError(
                f"metadata= says {name}={given[name].iloc[first]!r} of {given.index[first]!r}, and "
                f"the source {found[name].iloc[first]!r}. Rename the column, or correct it."
            )
    rest = found.columns.difference(given.columns, sort=False)
    added = found[rest].set_axis(given.index, axis=0)
    return pd.concat([given, added], axis=1)


def _label_parts(
    parts: Parts, sources: Sequence[str], table: pd.DataFrame | None
) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Return the ids and metadata of stimuli that are parts of files or texts."""
    of_part = [sources[i] for i in parts.sources]
    marked = zip(of_part, parts.marks, strict=True)
    ids = write_ids(f"{source}{mark}" for source, mark in marked)
    columns = {parts.origin: of_part, **parts.columns}
    own = pd.DataFrame(columns, index=pd.Index(list(ids), name="stimulus"))
    if table is None:
        return ids, own
    clashing = own.columns.intersection(table.columns)
    if len(clashing):
        raise InputError(
            f"the metadata columns {list_names(clashing)} are those of parts of files here. Rename "
            "them."
        )
    repeated = table.iloc[list(parts.sources)].set_axis(own.index, axis=0)
    return ids, pd.concat([repeated, own], axis=1)
