"""Words and windows of texts as stimuli: their ids, metadata and context."""

import pandas as pd
import pytest
import small_models
import torch

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.stimuli import Text

STORY = "The cat  sat.\nThen the dog\tcame in"


def load(source, **settings):
    return nl.load_stimuli(source, kind=Text(**settings))


def test_words_with_the_words_before_them():
    stimuli = nl.load_stimuli([STORY, "a b"], ids=["s", "t"], kind=Text("word", context=2))
    assert stimuli.ids == (*(f"s@{i}" for i in range(8)), "t@0", "t@1")
    assert stimuli._items[0] == "The"
    assert stimuli._items[3] == "cat  sat.\nThen"
    assert stimuli._items[9] == "a b"
    metadata = stimuli.metadata
    assert list(metadata.word[:8]) == ["The", "cat", "sat.", "Then", "the", "dog", "came", "in"]
    assert list(metadata.word_index) == [*range(8), 0, 1]
    assert list(metadata.n_words) == [1, 2, 3, 3, 3, 3, 3, 3, 1, 2]
    assert list(metadata.text) == ["s"] * 8 + ["t"] * 2
    for row in metadata.itertuples():
        text = STORY if row.text == "s" else "a b"
        assert text[row.character :].startswith(row.word)


def test_windows():
    stimuli = load([STORY], unit="window", length=3, step=2)
    assert stimuli.ids == ("stim000@0-2", "stim000@2-4", "stim000@4-6", "stim000@6-7")
    assert stimuli._items[1] == "sat.\nThen the"
    assert list(stimuli.metadata.first_word) == [0, 2, 4, 6]
    assert list(stimuli.metadata.n_words) == [3, 3, 3, 2]


def test_texts_in_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.txt").write_bytes("\ufeffcaf\u00e9 noir".encode())
    (tmp_path / "a" / "two.txt").write_text("x y z")
    whole = nl.load_stimuli(tmp_path, kind="text")
    assert whole.ids == ("a/one", "a/two")
    assert whole._items[0] == "caf\u00e9 noir"
    assert list(whole.metadata.category) == ["a", "a"]
    words = load(tmp_path / "a" / "two.txt", unit="word")
    assert words.ids == ("two@0", "two@1", "two@2")
    files = load([tmp_path / "a" / "two.txt"], unit="word")
    assert files.ids == words.ids
    assert load(str(tmp_path / "a" / "two.txt")).ids == ("two",)
    (tmp_path / "a" / "two.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="two.txt' cannot be read as a text in UTF-8"):
        load(tmp_path)
    (tmp_path / "a" / "two.txt").write_text(" \n")
    with pytest.raises(InputError, match="two.txt' holds no text. Leave it out"):
        load(tmp_path)


def test_metadata_of_texts_go_to_their_words():
    table = pd.DataFrame({"speaker": ["x", "y"]}, index=["t", "s"])
    stimuli = nl.load_stimuli(["a b", "c"], ids=["s", "t"], kind=Text("word"), metadata=table)
    assert list(stimuli.metadata.speaker) == ["y", "y", "x"]


@pytest.mark.filterwarnings("ignore:stimuli are padded")
def test_a_model_sees_the_words_last(tmp_path):
    pytest.importorskip("transformers")
    small_models.save_bert(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli(["the cat sees a dog"], kind=Text("word", context=1), model=loaded)
    assert stimuli["stim000@2"]["input_ids"].tolist() == [2, 5, 6, 3]  # [CLS] cat sees [SEP]
    assert stimuli["stim000@0"]["input_ids"].tolist() == [2, 7, 3, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context": 2}, "context= is for unit='word', got unit='whole'"),
        ({"unit": "word", "context": -1}, "context must be a whole number, at least 0, got -1"),
        ({"unit": "word", "length": 2}, "length= and step= are for unit='window', got unit='word'"),
        ({"unit": "window"}, "unit='window' needs length=, in words"),
        ({"unit": "window", "length": 0}, "length must be a whole number, at least 1, got 0"),
        ({"unit": "window", "length": 2, "step": 3}, "step=3 would leave out words between windo"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(InputError, match=message):
        Text(**settings)


def test_another_unit():
    with pytest.raises(UnknownNameError, match="no unit of texts named 'words'. Closest: 'word'"):
        Text("words")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.txt").write_text("the cat")
    (tmp_path / "b.TXT").write_text("the dog")
    return tmp_path


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_names_of_files_as_text_are_read_and_not_shown_as_texts(files, kind):
    names = [str(files / "a.txt"), str(files / "b.TXT")]
    stimuli = nl.load_stimuli(kind(names), kind="text", transform=len_of)
    assert stimuli.ids == ("a", "b")
    with pytest.raises(InputError, match="do not exist: 'c.txt'"):
        nl.load_stimuli(["a.txt", "c.txt"][1:], kind="text", transform=len_of)


def test_a_folder_of_texts_by_its_name_as_text(files):
    assert nl.load_stimuli(str(files), kind="text", transform=len_of).ids == ("a", "b")


def test_sentences_that_name_files_are_texts(files):
    sentences = [f"open {files / 'a.txt'}", "close it"]
    assert nl.load_stimuli(sentences, kind="text", transform=len_of).ids == ("stim000", "stim001")


def len_of(text):
    return torch.tensor([len(text)])
