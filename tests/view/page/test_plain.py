"""What a page says where scripts do not run is what it shows where they do."""

from neurolens.view.page.builder import build_page
from neurolens.view.page.plain import write_plain

DOCUMENT = {
    "title": "net <b>",
    "facts": ["3 operations", "RSA"],
    "badges": ["scores invented"],
    "notes": [],
    "summary": [["V1 is fit best by ", {"op": 1}, " & well."], "A whole sentence."],
    "methods": ["Scores are rho-a."],
    "references": [{"text": "Nili et al. (2014)", "bibtex": ""}],
    "graph": {"ops": [{"name": "conv"}, {"name": "<script>alert(1)</script>"}]},
}


def test_sentences_name_their_ops_and_everything_is_escaped():
    text = write_plain(DOCUMENT)
    assert "<p>V1 is fit best by &lt;script&gt;alert(1)&lt;/script&gt; &amp; well.</p>" in text
    assert "<h1>net &lt;b&gt;</h1>" in text
    assert "<p>A whole sentence.</p>" in text
    assert text.count("<p>") == 6
    assert "<script>" not in text


def test_nothing_is_said_of_what_is_not_there():
    assert write_plain({}) == ""


def test_it_stands_where_scripts_do_not_run():
    page = build_page(DOCUMENT | {"regions": []})
    inside = page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert write_plain(DOCUMENT) in inside
