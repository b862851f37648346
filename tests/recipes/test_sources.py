"""Recipes of copies of big public sets say on what evidence they read them, and need no network."""

import pytest

import neurolens as nl
from neurolens.errors import DataError

KEYS = (
    "algonauts2019",
    "algonauts2023",
    "bold5000",
    "cichy2014_meg",
    "cichy2016_118",
    "freemanziemba2013",
    "laion_fmri",
    "lebel2023",
    "majajhong2015",
    "things_fmri",
    "tvsd",
)


@pytest.mark.parametrize("key", KEYS)
def test_the_card_says_what_states_the_layout(key):
    card = nl.describe_dataset(key)
    assert "github.com" in card["source"] or "README" in card["source"]
    assert set(card["tried"].values()) == {"a file of the published format"}
    assert not card.get("files")
    assert set(card["holds"]) <= set(card["tried"])


@pytest.mark.parametrize("key", KEYS)
def test_without_a_copy_it_is_said_where_to_get_one(key, tmp_path, monkeypatch):
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    where = nl.describe_dataset(key)["where"].split()[0]
    with pytest.raises(DataError, match=f"{key}.*cannot be fetched. {where} .*folder="):
        nl.load_dataset(key, accept_terms=True, cache=tmp_path)
    with pytest.raises(DataError, match="(?s)there (is|are) no(ne)?.*"):
        nl.load_dataset(key, folder=tmp_path, accept_terms=True)
