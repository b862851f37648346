"""Words and windows hold every word of a text, in order."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from neurolens.stimuli.texts.units import find_words, split_windows, split_words

WORDS = st.sampled_from(["a", "bb", "it's", "c."])
BLANKS = st.sampled_from([" ", "\n", " \t", "\u00a0", "\u3000"])
TEXTS = st.lists(st.tuples(WORDS, BLANKS), max_size=12).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)


@given(TEXTS)
def test_words_are_what_stands_between_blanks(text):
    assert [text[start:stop] for start, stop in find_words(text)] == text.split()


@given(TEXTS, st.integers(0, 5))
def test_each_word_stands_behind_its_context(text, context):
    words = text.split()
    units = list(split_words(text, context))
    assert len(units) == len(words)
    for i, unit in enumerate(units):
        assert unit.text.split() == words[max(0, i - context) : i + 1]
        assert unit.text in text
        assert unit.n_before == min(i, context)
        assert re.match(re.escape(words[i]), text[unit.position :])


@given(TEXTS, st.integers(1, 6), st.data())
def test_every_word_is_in_a_window_and_windows_are_different(text, length, data):
    step = data.draw(st.integers(1, length))
    words = text.split()
    units = list(split_windows(text, length, step))
    covered = set()
    for unit in units:
        assert unit.text.split() == words[unit.first : unit.last + 1]
        covered.update(range(unit.first, unit.last + 1))
    assert covered == set(range(len(words)))
    assert len({(unit.first, unit.last) for unit in units}) == len(units)
    assert all(unit.last - unit.first + 1 == length for unit in units[:-1])
    assert all(b.first - a.first == step for a, b in itertools.pairwise(units))
