"""HTML for notebooks: escaped, without colors of its own, never beyond its size."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from neurolens.support.tables import (
    LONGEST_CELL,
    MOST_CHARACTERS,
    clip_text,
    write_block,
    write_facts,
    write_folded,
    write_table,
)

VOID = {"img", "br"}


class Reader(HTMLParser):
    """Collects texts and tags, and asserts that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.tags = []
        self.texts = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@given(st.text(), st.integers(2, 200))
def test_clipped_text_is_one_line_of_at_most_so_many_letters(text, longest):
    clipped = clip_text(text, longest)
    assert len(clipped) <= longest
    assert "\n" not in clipped
    if len(" ".join(text.split())) <= longest:
        assert clipped == " ".join(text.split())


def test_both_ends_of_a_long_name_are_kept():
    clipped = clip_text("layer1." + "x" * 500 + "/conv2d")
    assert clipped.startswith("layer1.")
    assert clipped.endswith("/conv2d")
    assert len(clipped) == LONGEST_CELL


@given(
    st.text(max_size=50),
    st.lists(st.lists(st.text(max_size=300), min_size=2, max_size=2), max_size=20),
)
def test_every_text_is_escaped_and_every_tag_closed(title, rows):
    body = write_table(["a", "<b>"], rows, len(rows)) + write_facts(rows)
    read = Reader(write_block(title, [write_folded(title, body)]))
    assert set(read.tags) <= {"div", "b", "details", "summary", "table", "tr", "th", "td", "span"}


def test_names_that_are_tags_are_texts():
    page = write_block("<script>", [write_table(["<i>"], [["<img src=x onerror=y>"]], 1)])
    read = Reader(page)
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert {"<script>", "<i>", "<img src=x onerror=y>"} <= set(read.texts)


def test_a_table_of_any_size_says_what_it_leaves_out():
    rows = [["&" * 500] * 5 for _ in range(20_000)]
    read = Reader(write_table(list("abcde"), rows, len(rows)))
    n_rows = read.tags.count("tr") - 1
    assert 1 <= n_rows < 100
    assert f"and {20_000 - n_rows:,} more" in read.texts
    short = Reader(write_table(["a"], [["x"]] * 3, 3))
    assert not any("more" in text for text in short.texts)


def test_a_block_never_exceeds_its_size():
    parts = ["<p>" + "x" * 30_000 + "</p>"] * 10
    page = write_block("&" * 10_000, parts)
    assert len(page) <= MOST_CHARACTERS
    assert page.count("<p>") == 3
    Reader(page)


def test_no_color_is_fixed():
    page = write_block(
        "t", [write_facts([("a", 1)]), write_folded("s", write_table(["a"], [[1]], 1))]
    )
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb|white|black", page)
    assert "currentColor" in page


def test_empty_facts_are_left_out():
    assert Reader(write_facts([("a", None), ("b", ""), ("c", 0)])).texts[0] == "c"
