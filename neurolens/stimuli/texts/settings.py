"""How texts are read: which part of each is a stimulus."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurolens.errors import InputError
from neurolens.labels import check_name
from neurolens.stimuli.media import Listing, Parts, name_errors
from neurolens.stimuli.rows import TextRows
from neurolens.stimuli.sources.checks import check_count
from neurolens.stimuli.texts.units import Unit, split_windows, split_words

UNITS = ("whole", "word", "window")
SUFFIXES = (".txt",)


@dataclass(frozen=True)
class Text:
    """How texts are read, for ``load_stimuli(texts, kind=Text(...))``.

    Texts are a list, one of each, or files ``.txt`` in UTF-8 (one, a list, or a folder). A list in
    which every text ends in ".txt" is one of files.

    Parameters
    ----------
    unit : str
        What is a stimulus: "whole", each text; "word", each word of a text, behind the words before
        it; "window", some words in a row. Words are what stands between blanks.
    context : int
        Of "word": how many words before each are part of its stimulus, fewer at the beginning of a
        text. A model sees the word last.
    length, step : int, optional
        Of "window": its words, and how many words after the one before it each begins, by default
        ``length``. The last window of a text may be shorter.

    Raises
    ------
    InputError
        For settings that cannot be used.
    UnknownNameError
        For another unit.

    Notes
    -----
    The ids of words are ``text@3``, after the id of the text and the number of the word in it, from
    0; those of windows ``text@3-7``, the last word included. Metadata hold ``text``, the id of the
    text, ``word`` (the word) and ``word_index``, or ``first_word`` and ``last_word``; ``n_words``,
    context included; and ``character``, where in the text the word or window begins.

    Examples
    --------
    >>> from neurolens.stimuli import load_stimuli
    >>> words = load_stimuli(["the cat sat"], ids=["a"], kind=Text("word", context=1))
    >>> list(words.metadata.word.items())
    [('a@0', 'the'), ('a@1', 'cat'), ('a@2', 'sat')]
    """

    unit: str = "whole"
    context: int = 0
    length: int | None = None
    step: int | None = None

    noun = "texts"
    suffixes = SUFFIXES

    def __post_init__(self) -> None:
        check_name(self.unit, UNITS, "unit of texts")
        check_count("context", self.context, least=0)
        if self.unit != "word" and self.context:
            raise InputError(f"context= is for unit='word', got unit={self.unit!r}.")
        if self.unit != "window":
            if self.length is not None or self.step is not None:
                raise InputError(
                    f"length= and step= are for unit='window', got unit={self.unit!r}."
                )
            return
        if self.length is None:
            raise InputError("unit='window' needs length=, in words. Type e.g. length=10.")
        check_count("length", self.length)
        if self.step is not None:
            check_count("step", self.step)
            if self.step > self.length:
                raise InputError(
                    f"step={self.step} would leave out words between windows of "
                    f"length={self.length}. Choose a step up to the length."
                )

    def read_files(self, paths: Sequence[Path], model_rate: int | None) -> Listing:
        """Return the texts in files, or their units."""
        texts = []
        for path in paths:
            with name_errors(path, "a text in UTF-8"):
                texts.append(path.read_text(encoding="utf-8-sig"))
            if not texts[-1].strip():
                raise InputError(
                    f"{str(path)!r} holds no text. Leave it out.", anchor="stimulus-unreadable"
                )
        return self._divide(texts)

    def read_rows(self, rows: Any, model_rate: int | None) -> Listing:
        """Return the texts of a list, or their units."""
        return self._divide(read_texts(rows))

    def _divide(self, texts: Sequence[str]) -> Listing:
        if self.unit == "whole":
            return Listing(TextRows(texts))
        units: list[Unit] = []
        sources: list[int] = []
        for i, text in enumerate(texts):
            found = list(self._split(text))
            units += found
            sources += [i] * len(found)
        items = TextRows([unit.text for unit in units])
        return Listing(items, parts=self._name_units(units, sources), n_sources=len(texts))

    def _split(self, text: str) -> Iterable[Unit]:
        if self.unit == "word":
            return split_words(text, self.context)
        assert self.length is not None
        return split_windows(text, self.length, self.step or self.length)

    def _name_units(self, units: Sequence[Unit], sources: Sequence[int]) -> Parts:
        columns: dict[str, Sequence[Any]] = {}
        if self.unit == "word":
            marks = [f"@{unit.first}" for unit in units]
            columns["word"] = [unit.text.split()[-1] for unit in units]
            columns["word_index"] = [unit.first for unit in units]
        else:
            marks = [f"@{unit.first}-{unit.last}" for unit in units]
            columns["first_word"] = [unit.first for unit in units]
            columns["last_word"] = [unit.last for unit in units]
        columns["n_words"] = [unit.last - unit.first + 1 + unit.n_before for unit in units]
        columns["character"] = [unit.position for unit in units]
        return Parts(sources, marks, columns, origin="text")


def read_texts(source: Any) -> list[str]:
    """Return a list of texts, checked.

    Raises
    ------
    InputError
        When the source holds something else than texts.
    """
    is_one = isinstance(source, (str, bytes, Path, Mapping, set, frozenset))
    if is_one or not isinstance(source, Iterable):
        raise InputError(
            f"texts are loaded from a list, one text per stimulus, got {type(source).__name__}. "
            "Type e.g. load_stimuli(sentences, kind='text')."
        )
    texts = list(source)
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str) or not text.strip()]
    if wrong:
        raise InputError(
            f"every stimulus must be a text that is not empty; number {wrong[0] + 1} is "
            f"{texts[wrong[0]]!r}. Leave it out, or replace it."
        )
    broken = [i for i, text in enumerate(texts) if _has_surrogates(text)]
    if broken:
        raise InputError(
            f"text number {broken[0] + 1} holds half of a character, which no file can. Read the "
            "texts again with their encoding.",
            anchor="stimulus-unreadable",
        )
    return texts


def _has_surrogates(text: str) -> bool:
    """Return whether a text holds halves of characters, which cannot be written."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)
