"""Files inside the report hold the methods and the references."""

from neurolens.report.bibliography import write_bibtex
from neurolens.report.downloads import list_downloads


def test_methods_and_references_are_files():
    references = [
        {"text": "a", "bibtex": write_bibtex("nili2014")},
        {"text": "b", "bibtex": ""},
        {"text": "c", "bibtex": write_bibtex("allen2022")},
    ]
    methods, bibtex = list_downloads({"methods": ["One.", "Two."], "references": references})
    assert methods == {"name": "methods.txt", "kind": "text/plain", "text": "One.\n\nTwo."}
    assert bibtex["name"] == "references.bib"
    assert bibtex["text"] == f"{write_bibtex('nili2014')}\n\n{write_bibtex('allen2022')}"
    assert list_downloads({"methods": [], "references": []}) == []
